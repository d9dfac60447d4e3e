# Runs until it is stopped. Started again, it goes on where it stopped.
CURSOR=$(cat cursor.txt 2>/dev/null)
while PAGE=$(curl -sS --fail-with-body --retry 5 --retry-connrefused \
    "http://localhost:8000/platform/api2/chat/feedback?cursor=$CURSOR&wait=30" \
    -H "Authorization: Bearer $ACCESS_TOKEN"); do
    printf '%s\n' "$PAGE"
    CURSOR=$(printf '%s' "$PAGE" | sed 's/.*"next_cursor": *"\([^"]*\)".*/\1/')
    echo "$CURSOR" >cursor.txt
done
printf '%s\n' "$PAGE"
