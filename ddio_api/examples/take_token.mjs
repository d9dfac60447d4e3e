const answer = await fetch("http://localhost:8000/platform/api2/token", {
  method: "POST",
  body: JSON.stringify({ appID: process.env.APP_ID, appSecret: process.env.APP_SECRET }),
});
if (!answer.ok) throw new Error(await answer.text());
// Good for `expiresIn` seconds: keep it, and use it for every call.
console.log((await answer.json()).accessToken);
