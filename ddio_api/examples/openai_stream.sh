curl -sSN http://localhost:8000/v1/chat/completions \
    -H "Authorization: Bearer $ACCESS_TOKEN" \
    -H "Content-Type: application/json" \
    -d '{"model": "robot", "stream": true, "messages": [
        {"role": "user", "content": "Tell me a short story."}]}'
