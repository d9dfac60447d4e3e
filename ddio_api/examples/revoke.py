import os
import sys

import requests

answer = requests.post(
    "http://localhost:8000/oauth2/revoke",
    data={"token": os.environ["ACCESS_TOKEN"]},
    auth=(os.environ["APP_ID"], os.environ["APP_SECRET"]),
    timeout=10,
)
if not answer.ok:
    sys.exit(answer.text)
print("The token works no more.")
