"""A provider's words, made safe, and its patience."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import pytest

from bots import provider_faults

pytestmark = pytest.mark.alike

KEY = "sk-test-canary-8f2c41d7"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("0", 0.0),
        ("99999", 3600.0),
        ("inf", 3600.0),
        ("-1", None),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2115 07:28:00 GMT", 3600.0),
    ],
)
def test_it_reads_retry_after(value, seconds):
    assert provider_faults.retry_after(httpx2.Headers({"Retry-After": value})) == seconds


def test_it_reads_a_date_in_retry_after():
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    wait = provider_faults.retry_after(httpx2.Headers({"Retry-After": date}))
    assert wait == pytest.approx(60, abs=2)


@pytest.mark.parametrize(
    "quoted",
    [KEY, KEY.upper(), f"<{KEY}>", KEY[:12] + "…", "…" + KEY[-10:], f'{{"key":"{KEY}"}}'],
)
def test_no_part_of_a_key_survives_scrubbing(quoted):
    assert "canary" not in provider_faults.scrub(f"the key {quoted} is bad", KEY).casefold()


def test_scrubbed_text_is_one_line_of_plain_characters():
    assert provider_faults.scrub("a\r\nb\0\x1b[31mc\u202ed\ud83d", KEY) == "a b [31mc d\ufffd"


def test_evidence_is_short_whatever_the_provider_sends():
    long = "word " * 100_000
    trouble = provider_faults.fault_of(
        provider_faults.UnreadableReplyError(long), KEY, answering=True
    )
    assert len(trouble.evidence) <= 300
