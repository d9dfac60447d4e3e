"""The fault simulator: an OpenAI-compatible provider that answers, dawdles or breaks as asked.

    python -m bots.simulator --port 9100

The *model* of a request chooses what it does (`bots.simulator.behaviours`). It needs no Django,
holds thousands of calls in one small process, and counts them by `X-Request-ID`: `GET /calls`,
`POST /reset`. It keeps digests of keys, never a key; and of what it is asked nothing, unless it is
told to.
"""
