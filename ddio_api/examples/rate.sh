curl -sS "http://localhost:8000/platform/api2/chat/feedback/$MESSAGE_ID/rating" \
    -H "Authorization: Bearer $ACCESS_TOKEN" \
    -H "Content-Type: application/json" \
    -d '{"rating": "like", "comment": "Short and right."}'
