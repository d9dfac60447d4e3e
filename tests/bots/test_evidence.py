"""What was seen of a key, in the reader's language."""

import httpx2
import pytest
from django.utils import translation

from bots import evidence, provider_faults
from bots.outbound import NameUnknown

CHINESE = {
    "%(what)s: %(detail)s": "%(what)s：%(detail)s",
    "no connection": "无法连接",
    "the host name does not resolve": "主机名无法解析",
    "HTTP 200, models listed": "HTTP 200，列出的模型数",
    "timed out": "超时",
}


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        ("", ""),
        ("timed out", "超时"),
        ("no connection: the host name does not resolve", "无法连接：主机名无法解析"),
        ("HTTP 200, models listed: 1", "HTTP 200，列出的模型数：1"),
        ("HTTP 401 bad (request 1): Wrong: key", "HTTP 401 bad (request 1)：Wrong: key"),
        ("HTTP 500 100% %(x)s", "HTTP 500 100% %(x)s"),
    ],
)
def test_our_sentences_are_translated_and_others_words_stay(monkeypatch, kept, shown):
    monkeypatch.setattr(evidence, "_", lambda text: CHINESE.get(text, text))
    assert evidence.in_words(kept) == shown


@pytest.mark.parametrize("kept", ["", ": ", "a: "])
def test_the_head_of_the_catalogue_is_never_shown(kept):
    with translation.override("zh-hans"):
        assert "Content-Type" not in evidence.in_words(kept)


def test_what_is_kept_is_a_class_and_a_detail():
    trouble = httpx2.ConnectError("")
    trouble.__cause__ = NameUnknown()
    fault = provider_faults.fault_of(trouble, "sk-key", answering=False)
    assert fault.evidence == "no connection: the host name does not resolve"
