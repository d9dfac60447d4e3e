import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import requests

API = "http://localhost:8000/platform/api2"
session = requests.Session()
session.headers["Authorization"] = f"Bearer {os.environ['ACCESS_TOKEN']}"

question = {"openID": "alice", "message": "Tell me a short story."}
answer = session.post(f"{API}/chat/send", json=question, timeout=20)
if not answer.ok:
    sys.exit(answer.text)
stream = f"{API}/chat/feedback/{answer.json()['result']['messageID']}/stream"


def events(last: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(event, id, data); an event counts once its empty line is there."""
    headers = {"Last-Event-ID": last} if last else {}
    with session.get(stream, headers=headers, stream=True, timeout=60) as opened:
        opened.raise_for_status()
        fields: dict[str, str] = {}
        for line in opened.iter_lines(chunk_size=1):
            name, _, value = line.decode().partition(": ")
            if line:
                fields[name] = value
            else:
                if "event" in fields:
                    yield fields["event"], fields.get("id", last), json.loads(fields["data"])
                fields = {}


last, kind = "", ""
while kind != "done":
    try:
        for event in events(last):
            kind, last, data = event
            if kind == "delta":
                print(data["text"], end="", flush=True)
            elif kind == "reset":
                print("\n(once more from the beginning)")
            elif kind == "error":
                sys.exit(data["msg"])
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
        pass  # torn: go on behind the last event
    if kind != "done":
        time.sleep(1)
print()
