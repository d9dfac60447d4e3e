// Ask by npm's openai: once, streamed (STREAM), or some times at once (TIMES).
import OpenAI from "openai";
import { report } from "./report.mjs";

const { BASE_URL, API_KEY, STREAM, TIMES } = process.env;
const client = new OpenAI({ baseURL: BASE_URL, apiKey: API_KEY, maxRetries: 0 });
const ask = (content, options = {}) =>
  client.chat.completions.create({ model: "any", messages: [{ role: "user", content }], ...options });

const plain = async () => {
  const { choices: [{ message, finish_reason }], usage } = await ask("Hello");
  return { content: message.content, finish_reason, usage };
};

const streamed = async () => {
  const told = { content: "", chunks: 0 };
  for await (const chunk of await ask("Hello", { stream: true, stream_options: { include_usage: true } })) {
    told.chunks += 1;
    told.usage = chunk.usage ?? told.usage;
    const [choice] = chunk.choices;
    told.content += choice?.delta.content ?? "";
    told.finish_reason = choice?.finish_reason ?? told.finish_reason;
  }
  return told;
};

const atOnce = async () => {
  const asked = Array.from({ length: Number(TIMES) }, (_, number) => ask(`Hello ${number}`));
  const done = await Promise.all(asked);
  return { contents: done.map(({ choices: [{ message }] }) => message.content) };
};

await report(STREAM ? streamed : TIMES ? atOnce : plain);
