import os

from openai import OpenAI

client = OpenAI(base_url="http://localhost:8000/v1", api_key=os.environ["ACCESS_TOKEN"])
completion = client.chat.completions.create(
    model="robot",  # any name: the robot has its own model
    messages=[{"role": "user", "content": "What is a service number?"}],
    user="alice",
)
print(completion.choices[0].message.content)
