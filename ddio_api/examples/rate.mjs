const API = "http://localhost:8000/platform/api2";
const answer = await fetch(`${API}/chat/feedback/${process.env.MESSAGE_ID}/rating`, {
  method: "POST",
  headers: { Authorization: `Bearer ${process.env.ACCESS_TOKEN}` },
  body: JSON.stringify({ rating: "like", comment: "Short and right." }),
});
if (!answer.ok) throw new Error(await answer.text());
console.log((await answer.json()).result.rating);
