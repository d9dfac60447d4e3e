import os
import sys

import requests

answer = requests.post(
    "http://localhost:8000/platform/api2/token",
    json={"appID": os.environ["APP_ID"], "appSecret": os.environ["APP_SECRET"]},
    timeout=10,
)
if not answer.ok:
    sys.exit(answer.text)
# Good for `expiresIn` seconds: keep it, and use it for every call.
print(answer.json()["accessToken"])
