"""Settings of answering: how many at once, how long each step may take, how long the queue may be,
what it costs.

The rules are in docs/decisions/0002; `.env.example` says what each is for.
"""

from portal.environment import env, integer, seconds

WORKER_CONCURRENCY = integer("WORKER_CONCURRENCY", 600, at_least=1)
ANSWERS_PER_NUMBER = integer("ANSWERS_PER_NUMBER", 500, at_least=1)
ANSWERS_PER_KEY = integer("ANSWERS_PER_KEY", 500, at_least=1)
LOCAL_MODEL_SLOTS = integer("LOCAL_MODEL_SLOTS", 4, at_least=1)

LEASE_SECONDS = seconds("LEASE_SECONDS", 20, at_least=2)
LEASE_RENEWAL_SECONDS = seconds("LEASE_RENEWAL_SECONDS", 5, at_least=0.5)
SWEEP_SECONDS = seconds("SWEEP_SECONDS", 5, at_least=0.2)
NUDGE_AGAIN_SECONDS = seconds("NUDGE_AGAIN_SECONDS", 10, at_least=0.5)
ATTEMPTS_AT_MOST = integer("ATTEMPTS_AT_MOST", 5, at_least=1)
FIRST_TOKEN_SECONDS = seconds("FIRST_TOKEN_SECONDS", 60, at_least=0.1)
BETWEEN_TOKENS_SECONDS = seconds("BETWEEN_TOKENS_SECONDS", 30, at_least=0.1)
ANSWER_SECONDS = seconds("ANSWER_SECONDS", 300, at_least=1)
ANSWER_CHARACTERS_AT_MOST = integer("ANSWER_CHARACTERS_AT_MOST", 200_000, at_least=100)
CURRENCY = env.str("CURRENCY", default="") or "USD"  # of prices; it is shown and nothing else
BUDGETED_ANSWER_TOKENS = integer("BUDGETED_ANSWER_TOKENS", 2_000, at_least=1)
QUEUE_SECONDS_AT_MOST = seconds("QUEUE_SECONDS_AT_MOST", 120, at_least=1)

BLOCKED_WORDS_FILE = env.str("BLOCKED_WORDS_FILE", default="")
