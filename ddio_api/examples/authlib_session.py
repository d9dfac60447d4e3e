import os
import sys

from authlib.integrations.requests_client import OAuth2Session

# The session takes its token by itself, and a new one before the old one ends.
session = OAuth2Session(
    os.environ["APP_ID"],
    os.environ["APP_SECRET"],
    token_endpoint="http://localhost:8000/oauth2/token",
    grant_type="client_credentials",
)
session.fetch_token()

answer = session.post(
    "http://localhost:8000/platform/api2/chat/send",
    json={"openID": "alice", "message": "What is a service number?", "wait": 60},
    timeout=90,
)
if not answer.ok:
    sys.exit(answer.text)
print(answer.json()["result"])
