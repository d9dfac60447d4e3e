# The appSecret goes in by standard input, because others can see arguments.
ACCESS_TOKEN=$(curl -sS http://localhost:8000/platform/api2/token -d @- <<END |
{"appID": "$APP_ID", "appSecret": "$APP_SECRET"}
END
    sed 's/.*"accessToken": *"\([^"]*\)".*/\1/')
export ACCESS_TOKEN
echo "$ACCESS_TOKEN"
