"""What the tests of loads and faults share."""

from typing import Any

import pytest

PLENTY = 1_000_000


@pytest.fixture
def unlimited(settings: Any) -> None:
    settings.DDIO_REQUESTS_PER_SECOND = settings.DDIO_REQUEST_BURST = PLENTY
