import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const API = "http://localhost:8000/platform/api2";
const headers = { Authorization: `Bearer ${process.env.ACCESS_TOKEN}` };

const question = { openID: "alice", message: "What is a service number?", wait: 60 };
const asking = {
  method: "POST",
  headers: { ...headers, "Idempotency-Key": randomUUID() }, // sent again, it is still asked once
  body: JSON.stringify(question),
};
let answer = await fetch(`${API}/chat/send`, asking);
for (let attempt = 0; attempt < 5 && [429, 503].includes(answer.status); attempt += 1) {
  await sleep(1000 * Number(answer.headers.get("Retry-After") ?? 1));
  answer = await fetch(`${API}/chat/send`, asking);
}
if (!answer.ok) throw new Error(await answer.text());

let item = (await answer.json()).result;
while (["queued", "running"].includes(item.status)) { // longer than `wait`: look again
  answer = await fetch(`${API}/chat/feedback/${item.messageID}?wait=60`, { headers });
  if (!answer.ok) throw new Error(await answer.text());
  item = (await answer.json()).result;
}
console.log(item.status === "done" ? item.answer : item.error);
