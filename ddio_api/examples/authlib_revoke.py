import os

from authlib.integrations.requests_client import OAuth2Session

session = OAuth2Session(os.environ["APP_ID"], os.environ["APP_SECRET"])
answer = session.revoke_token(
    "http://localhost:8000/oauth2/revoke",
    token=os.environ["ACCESS_TOKEN"],
    token_type_hint="access_token",
)
answer.raise_for_status()
print("The token works no more.")
