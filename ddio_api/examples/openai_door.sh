curl -sS http://localhost:8000/v1/chat/completions \
    -H "Authorization: Bearer $ACCESS_TOKEN" \
    -H "Content-Type: application/json" \
    -d '{"model": "robot", "messages": [
        {"role": "user", "content": "What is a service number?"}]}'
