import { readFile, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

const API = "http://localhost:8000/platform/api2";
// Keep the cursor where you keep the entries, and write both in one transaction.
const CURSOR = "cursor.txt";

const signIn = async () => {
  const body = JSON.stringify({ appID: process.env.APP_ID, appSecret: process.env.APP_SECRET });
  const answer = await fetch(`${API}/token`, { method: "POST", body });
  if (!answer.ok) throw new Error(await answer.text());
  return { Authorization: `Bearer ${(await answer.json()).accessToken}` };
};

let headers = await signIn();
let cursor = await readFile(CURSOR, "utf8").catch(() => "");
for (;;) {
  const query = new URLSearchParams({ cursor, limit: 100, wait: 30 });
  const answer = await fetch(`${API}/chat/feedback?${query}`, { headers }).catch(() => null);
  if (answer === null) {
    await sleep(1000); // no connection
  } else if (answer.status === 401) {
    headers = await signIn(); // expired
  } else if ([429, 503].includes(answer.status)) {
    await sleep(1000 * Number(answer.headers.get("Retry-After") ?? 1));
  } else if (!answer.ok) {
    throw new Error(await answer.text());
  } else {
    const { items, next_cursor } = (await answer.json()).result;
    for (const entry of items) console.log(entry.seq, entry.kind, entry.openID, entry.answer);
    cursor = next_cursor;
    await writeFile(CURSOR, cursor);
  }
}
