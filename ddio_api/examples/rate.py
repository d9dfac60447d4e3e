import os
import sys

import requests

API = "http://localhost:8000/platform/api2"
answer = requests.post(
    f"{API}/chat/feedback/{os.environ['MESSAGE_ID']}/rating",
    json={"rating": "like", "comment": "Short and right."},
    headers={"Authorization": f"Bearer {os.environ['ACCESS_TOKEN']}"},
    timeout=10,
)
if not answer.ok:
    sys.exit(answer.text)
print(answer.json()["result"]["rating"])
