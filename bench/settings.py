"""The platform's settings, on a site that has the benches' own views beside the platform's."""

from portal.settings import *  # noqa: F403

ROOT_URLCONF = "bench.urls"
# The limits are counted as always, but are out of reach.
DDIO_REQUESTS_PER_SECOND = 1_000_000
DDIO_REQUEST_BURST = 2_000_000
ASKS_PER_NUMBER_AND_DAY = ASKS_PER_PERSON_AND_DAY = 100_000_000
# Providers of this machine, over http.
OUTBOUND_ALLOW = ["127.0.0.1"]
