curl -sS http://localhost:8000/oauth2/revoke -d @- <<END
client_id=$APP_ID&client_secret=$APP_SECRET&token=$ACCESS_TOKEN
END
