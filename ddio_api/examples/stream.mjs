import { setTimeout as sleep } from "node:timers/promises";

const API = "http://localhost:8000/platform/api2";
const headers = { Authorization: `Bearer ${process.env.ACCESS_TOKEN}` };

const body = JSON.stringify({ openID: "alice", message: "Tell me a short story." });
const asked = await fetch(`${API}/chat/send`, { method: "POST", headers, body });
if (!asked.ok) throw new Error(await asked.text());
const stream = `${API}/chat/feedback/${(await asked.json()).result.messageID}/stream`;

// An event counts once its empty line is there.
async function* events(last) {
  const resume = last ? { "Last-Event-ID": last } : {};
  const opened = await fetch(stream, { headers: { ...headers, ...resume } });
  if (!opened.ok) throw new Error(await opened.text());
  let text = "";
  for await (const piece of opened.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (text + piece).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const lines = block.split("\n").map((line) => line.split(/: (.*)/s));
      const { event, id, data } = Object.fromEntries(lines);
      if (event) yield { event, id: id ?? last, data: JSON.parse(data) };
    }
  }
}

let last = "";
let kind = "";
while (kind !== "done") {
  try {
    for await (const { event, id, data } of events(last)) {
      [kind, last] = [event, id];
      if (event === "delta") process.stdout.write(data.text);
      if (event === "reset") console.log("\n(once more from the beginning)");
      if (event === "error") throw new Error(data.msg);
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // else torn: go on behind the last event
  }
  if (kind !== "done") await sleep(1000);
}
console.log();
