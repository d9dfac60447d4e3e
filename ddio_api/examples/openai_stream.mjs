import OpenAI from "openai";

const client = new OpenAI({
  baseURL: "http://localhost:8000/v1",
  apiKey: process.env.ACCESS_TOKEN,
});
const stream = await client.chat.completions.create({
  model: "robot",
  messages: [{ role: "user", content: "Tell me a short story." }],
  stream: true,
});
for await (const chunk of stream) {
  for (const { delta } of chunk.choices) process.stdout.write(delta.content ?? "");
}
console.log();
