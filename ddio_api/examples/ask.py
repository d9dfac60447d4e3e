import os
import sys
import time
import uuid

import requests

API = "http://localhost:8000/platform/api2"
session = requests.Session()
session.headers["Authorization"] = f"Bearer {os.environ['ACCESS_TOKEN']}"

question = {"openID": "alice", "message": "What is a service number?", "wait": 60}
once = {"Idempotency-Key": str(uuid.uuid4())}  # sent again, it is still asked once
for _attempt in range(5):
    answer = session.post(f"{API}/chat/send", json=question, headers=once, timeout=90)
    if answer.status_code not in (429, 503):
        break
    time.sleep(float(answer.headers.get("Retry-After", 1)))
if not answer.ok:
    sys.exit(answer.text)

item = answer.json()["result"]
while item["status"] in ("queued", "running"):  # longer than `wait`: look again
    path = f"{API}/chat/feedback/{item['messageID']}"
    answer = session.get(path, params={"wait": 60}, timeout=90)
    answer.raise_for_status()
    item = answer.json()["result"]
print(item["answer"] if item["status"] == "done" else item["error"])
