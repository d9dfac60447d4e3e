# It tries again when Retry-After says so, and with the same key it is asked once.
curl -sS --retry 5 http://localhost:8000/platform/api2/chat/send \
    -H "Authorization: Bearer $ACCESS_TOKEN" \
    -H "Content-Type: application/json" \
    -H "Idempotency-Key: alice-$(date +%s)-$$" \
    -d '{"openID": "alice", "message": "What is a service number?", "wait": 60}'
