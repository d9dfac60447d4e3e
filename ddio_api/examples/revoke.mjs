const answer = await fetch("http://localhost:8000/oauth2/revoke", {
  method: "POST",
  body: new URLSearchParams({
    client_id: process.env.APP_ID,
    client_secret: process.env.APP_SECRET,
    token: process.env.ACCESS_TOKEN,
  }),
});
if (!answer.ok) throw new Error(await answer.text());
console.log("The token works no more.");
