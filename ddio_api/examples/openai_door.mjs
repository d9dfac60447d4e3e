import OpenAI from "openai";

const client = new OpenAI({
  baseURL: "http://localhost:8000/v1",
  apiKey: process.env.ACCESS_TOKEN,
});
const completion = await client.chat.completions.create({
  model: "robot", // any name: the robot has its own model
  messages: [{ role: "user", content: "What is a service number?" }],
  user: "alice",
});
console.log(completion.choices[0].message.content);
