import os
import sys
import time
from pathlib import Path

import requests

API = "http://localhost:8000/platform/api2"
# Keep the cursor where you keep the entries, and write both in one transaction.
CURSOR = Path("cursor.txt")
session = requests.Session()


def sign_in() -> None:
    body = {"appID": os.environ["APP_ID"], "appSecret": os.environ["APP_SECRET"]}
    answer = session.post(f"{API}/token", json=body, timeout=10)
    if not answer.ok:
        sys.exit(answer.text)
    session.headers["Authorization"] = f"Bearer {answer.json()['accessToken']}"


sign_in()
cursor = CURSOR.read_text() if CURSOR.exists() else ""
while True:
    query = {"cursor": cursor, "limit": "100", "wait": "30"}
    try:
        answer = session.get(f"{API}/chat/feedback", params=query, timeout=60)
    except (requests.ConnectionError, requests.Timeout):
        time.sleep(1)
        continue
    if answer.status_code == 401:  # expired
        sign_in()
    elif answer.status_code in (429, 503):
        time.sleep(float(answer.headers.get("Retry-After", 1)))
    elif not answer.ok:
        sys.exit(answer.text)
    else:
        page = answer.json()["result"]
        for entry in page["items"]:
            print(entry["seq"], entry["kind"], entry["openID"], entry.get("answer"), flush=True)
        cursor = page["next_cursor"]
        CURSOR.write_text(cursor)
