API=http://localhost:8000/platform/api2
MESSAGE_ID=$(curl -sS $API/chat/send \
    -H "Authorization: Bearer $ACCESS_TOKEN" \
    -H "Content-Type: application/json" \
    -d '{"openID": "alice", "message": "Tell me a short story."}' |
    sed 's/.*"messageID": *"\([^"]*\)".*/\1/')

# After a torn connection it goes on behind the last event that came whole.
: >events.txt
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    LAST=$(awk '/^id: / { id = $2 } /^$/ { last = id } END { print last }' events.txt)
    curl -sSN "$API/chat/feedback/$MESSAGE_ID/stream" \
        -H "Authorization: Bearer $ACCESS_TOKEN" \
        -H "Last-Event-ID: $LAST" | tee -a events.txt
    grep -q '^event: done' events.txt && break
    sleep 1
done
