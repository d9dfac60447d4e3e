"""What nobody should send, and what some do: always 4xx in the envelope, never a failure."""

import json

import pytest

from bots.models import Message, Person
from tests import factories
from tests.ddio_api.answers import settled

pytestmark = pytest.mark.django_db

MEBIBYTE = 1024 * 1024
GOOD = {"openID": "alice", "message": "Hello?"}
DEEP = 100_000


def send_raw(client, body, **headers):
    return client.post("chat/send", body, **headers)


def send(client, **changed):
    return client.post("chat/send", GOOD | changed)


# Bodies -----------------------------------------------------------------------------------------

BODIES = {
    "nothing": b"",
    "blanks": b" \r\n\t",
    "no JSON": b"openID",
    "half": b'{"openID": "alice", "mess',
    "two objects": b'{"openID":"a","message":"b"}{}',
    "an array": b'[{"openID":"alice","message":"Hello?"}]',
    "a string": b'"alice"',
    "a number": b"1",
    "null": b"null",
    "true": b"true",
    "NaN": b'{"openID":"alice","message":"Hello?","wait":NaN}',
    "Infinity": b'{"openID":"alice","message":"Hello?","wait":Infinity}',
    "minus Infinity": b'{"openID":"alice","message":"Hello?","wait":-Infinity}',
    "an endless float": b'{"openID":"alice","message":"Hello?","wait":1e999}',
    "400 digits": b'{"openID":"alice","message":"Hello?","wait":' + b"9" * 400 + b"}",
    "10,000 digits": b'{"openID":"alice","message":"Hello?","wait":' + b"9" * 10_000 + b"}",
    "a key twice": b'{"openID":"alice","openID":"bob","message":"Hello?"}',
    "a key twice below": b'{"openID":"alice","message":{"body":"a","body":"b"}}',
    "single quotes": b"{'openID':'alice','message':'Hello?'}",
    "a comment": b'{"openID":"alice","message":"Hello?"} // yes',
    "a trailing comma": b'{"openID":"alice","message":"Hello?",}',
    "a raw newline in a string": b'{"openID":"alice","message":"Hel\nlo"}',
    "invalid UTF-8": b'{"openID":"alice","message":"\xff\xfe"}',
    "overlong UTF-8": b'{"openID":"alice","message":"\xc0\x80"}',
    "a surrogate in UTF-8": b'{"openID":"alice","message":"\xed\xa0\x80"}',
    "UTF-16": '{"openID":"alice","message":"Hello?"}'.encode("utf-16"),
    "GBK": '{"openID":"alice","message":"你好"}'.encode("gbk"),
    "NUL bytes": b"\x00" * 100,
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
    "deep arrays": b"[" * DEEP,
    "deep objects": b'{"a":' * DEEP,
    "deep and closed": b'{"openID":' + b"[" * DEEP + b"]" * DEEP + b"}",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_good_object_is_refused(client_of_alice, body):
    answer = send_raw(client_of_alice, body)
    assert (answer.status_code, answer.json()["code"]) == (400, 47001)
    assert answer.json()["fields"]
    assert not Message.objects.exists()


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_the_token_door_takes_none_of_them_either(anonymous, body):
    answer = anonymous.post("token", body)
    assert answer.status_code == 400
    assert answer.json()["code"] in (41002, 47001)


def test_a_byte_order_mark_does_no_harm(client_of_alice):
    body = b"\xef\xbb\xbf" + json.dumps(GOOD).encode()
    assert send_raw(client_of_alice, body).status_code == 202


def test_unknown_fields_are_let_through(client_of_alice):
    assert send(client_of_alice, state="approved", owner=1, seq=5, status="done").status_code == 202
    assert Message.objects.get().status == "queued"


@pytest.mark.parametrize("size", [MEBIBYTE + 1, 3 * MEBIBYTE])
def test_more_than_a_mebibyte_is_too_large(client_of_alice, size):
    body = b'{"openID":"alice","message":"' + b"x" * size + b'"}'
    answer = send_raw(client_of_alice, body)
    assert (answer.status_code, answer.json()["code"]) == (413, 45002)


def test_a_mebibyte_that_is_not_the_message_is_read(client_of_alice):
    padding = " " * (MEBIBYTE - len(json.dumps(GOOD)))
    assert send_raw(client_of_alice, json.dumps(GOOD) + padding).status_code == 202


@pytest.mark.parametrize("length", [16_001, 1_000_000])
def test_a_message_that_is_too_long_is_413(client_of_alice, length):
    answer = send(client_of_alice, message="好" * (length // 3) + "x" * (length - length // 3))
    assert (answer.status_code, answer.json()["code"]) == (413, 45002)


@pytest.mark.parametrize("letter", ["x", "好", "🙂", '"', "\n"])
def test_a_message_may_have_16000_characters_of_any_kind(client_of_alice, letter):
    text = "a" + letter * 15_998 + "z"
    assert send(client_of_alice, message=text).status_code == 202
    assert Message.objects.get().question == text


# Content types ------------------------------------------------------------------------------------

TYPES = [
    "",
    "text/plain",
    "application/xml",
    "image/png",
    "nonsense",
    "application/json; charset=gbk",
]


@pytest.mark.parametrize("content_type", [*TYPES, "application/x-www-form-urlencoded"])
def test_json_is_json_whatever_the_content_type_says(client_of_alice, content_type):
    answer = send_raw(client_of_alice, json.dumps(GOOD), content_type=content_type)
    assert answer.status_code == 202


def test_a_form_asks_too(client_of_alice):
    form = {"content_type": "application/x-www-form-urlencoded"}
    body = "openID=alice&message=%E4%BD%A0%E5%A5%BD+1&wait=0"
    assert send_raw(client_of_alice, body, **form).status_code == 202
    assert Message.objects.get().question == "你好 1"


FORMS = ["openID=alice&openID=bob&message=x", b"openID=\xff&message=x", "a&" * 2_000, "openID"]


@pytest.mark.parametrize("body", FORMS, ids=["twice", "not UTF-8", "2,000 fields", "one word"])
def test_a_form_that_is_no_good_is_refused(client_of_alice, body):
    form = {"content_type": "application/x-www-form-urlencoded"}
    answer = send_raw(client_of_alice, body, **form)
    assert (answer.status_code, answer.json()["code"]) == (400, 47001)


def test_a_multipart_form_is_refused_in_words(client_of_alice):
    body = b'--x\r\nContent-Disposition: form-data; name="openID"\r\n\r\nalice\r\n--x--\r\n'
    answer = send_raw(client_of_alice, body, content_type="multipart/form-data; boundary=x")
    assert (answer.status_code, answer.json()["code"]) == (400, 47001)


ACCEPTED = [
    "text/html",
    "application/xml",
    "image/*",
    "nonsense",
    "*/*;q=0",
    "application/json;q=x",
]


@pytest.mark.parametrize("accept", ACCEPTED)
def test_it_answers_json_whatever_is_accepted(client_of_alice, accept):
    answer = client_of_alice.get("chat/feedback", Accept=accept)
    assert answer.status_code == 200
    assert answer.json()["code"] == 0


@pytest.mark.parametrize("query", [{"format": "xml"}, {"format": "html"}, {"unknown": "1"}])
def test_no_query_changes_the_format(client_of_alice, query):
    assert client_of_alice.get("chat/feedback", query).json()["code"] == 0


# Fields -------------------------------------------------------------------------------------------

NO_TEXT = [None, True, False, 0, 1, 1.5, [], ["alice"], {}, {"a": 1}]
UNSTORABLE = ["a\x00b", "\x00", "\ud800", "a\udfffb", "\ude42\ud83d"]
OPEN_IDS = [*NO_TEXT, *UNSTORABLE, "", " ", "\n", "a\nb", "a\x1b[31m", "x" * 65, "\x85"]


@pytest.mark.parametrize("open_id", OPEN_IDS, ids=repr)
def test_an_open_id_that_is_no_name_is_refused(client_of_alice, open_id):
    answer = send(client_of_alice, openID=open_id)
    assert (answer.status_code, answer.json()["code"]) == (400, 47001)
    assert list(answer.json()["fields"]) == ["openID"]
    assert not Person.objects.exists()


@pytest.mark.parametrize(
    "open_id", ["x" * 64, "张三", "a b", "🙂", "0", "o", "user@example.org", "../x"]
)
def test_an_open_id_is_the_callers_own_name(client_of_alice, open_id):
    assert send(client_of_alice, openID=open_id).status_code == 202
    assert Person.objects.get().open_id == open_id


@pytest.mark.parametrize("text", [None, True, 0, 1.5, [], ["a"], *UNSTORABLE], ids=repr)
def test_a_message_that_is_no_text_is_refused(client_of_alice, text):
    answer = send(client_of_alice, message=text)
    assert (answer.status_code, answer.json()["code"]) == (400, 47001)
    assert list(answer.json()["fields"]) == ["message"]


@pytest.mark.parametrize(
    "text", ["", " ", "\r\n\t", "\u3000", {}, {"body": ""}, {"messageType": 2}]
)
def test_an_empty_message_is_44004(client_of_alice, text):
    answer = send(client_of_alice, message=text)
    assert (answer.status_code, answer.json()["code"]) == (400, 44004)


@pytest.mark.parametrize("body", [None, 1, True, [], {}, "a\x00b"], ids=repr)
def test_a_ddio_message_whose_body_is_no_text_is_refused(client_of_alice, body):
    answer = send(client_of_alice, message={"messageType": 2, "body": body})
    assert (answer.status_code, answer.json()["code"]) == (400, 47001)


@pytest.mark.parametrize(
    "wait", [True, False, None, "", "soon", "nan", "inf", -1, -0.1, [], {}, [5]]
)
def test_a_wait_that_is_no_number_of_seconds_is_refused(client_of_alice, wait):
    answer = send(client_of_alice, wait=wait)
    assert (answer.status_code, answer.json()["code"]) == (400, 47001)
    assert list(answer.json()["fields"]) == ["wait"]


@pytest.mark.parametrize("conversation", [*NO_TEXT[1:], *UNSTORABLE, "x" * 65], ids=repr)
def test_a_conversation_id_that_is_none_is_refused(client_of_alice, conversation):
    answer = send(client_of_alice, conversationID=conversation)
    assert (answer.status_code, answer.json()["code"]) == (400, 47001)


@pytest.mark.parametrize("missing", ["openID", "message"])
def test_a_missing_field_is_named(client_of_alice, missing):
    answer = client_of_alice.post(
        "chat/send", {name: GOOD[name] for name in GOOD if name != missing}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, 47001)
    assert list(answer.json()["fields"]) == [missing]


def test_every_wrong_field_is_named_at_once(client_of_alice):
    answer = send(client_of_alice, openID="", message=5, wait="soon")
    assert set(answer.json()["fields"]) == {"openID", "message", "wait"}


@pytest.mark.parametrize("name", ["appID", "appSecret", "accessType"])
@pytest.mark.parametrize("value", [True, 0, 1.5, [], {}, *UNSTORABLE, "x" * 5000], ids=repr)
def test_a_token_field_of_the_wrong_kind_is_refused(anonymous, number, name, value):
    given = {"appID": number.app_id, "appSecret": "x", "accessType": "CLIENT"} | {name: value}
    answer = anonymous.post("token", given)
    assert answer.status_code == 400
    assert answer.json()["code"] in (40002, 40013, 47001)


# Queries ------------------------------------------------------------------------------------------

CURSORS = [
    "-1",
    "1" + "0" * 19,
    "9223372036854775808",
    "abc",
    "１２",
    "1.0",
    "+1",
    " 1",
    "1 ",
    "0x1",
    "1\x00",
    "1e3",
    "null",
]
LIMITS = [
    "0",
    "201",
    "-1",
    "1.5",
    "abc",
    "",
    "１２",
    "٣",
    "1_0",
    "9" * 400,
    "9" * 5000,
    "NaN",
    "\x00",
]
FAR = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
MOMENTS = ["yesterday", "1700000000", "2026-13-01T00:00:00Z", "10000-01-01T00:00:00Z", "\x00", "０"]
ODD = [
    *[("cursor", value) for value in CURSORS],
    *[("limit", value) for value in LIMITS],
    *[("begin", value) for value in MOMENTS],
    *[("end", value) for value in [*MOMENTS, *FAR]],
    *[("status", value) for value in ["DONE", "nonsense", "\x00", "0"]],
    *[("rating", value) for value in ["love", "\x00", "1"]],
    *[("openID", value) for value in ["", " ", "a\x00b", "x" * 65]],
    *[("wait", value) for value in ["-1", "soon", "nan", "inf", "-inf", "1e999", "", "\x00"]],
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"), ODD, ids=[f"{name}={value!r:.20}" for name, value in ODD]
)
def test_a_query_that_makes_no_sense_is_refused_by_name(client_of_alice, name, value):
    answer = client_of_alice.get("chat/feedback", {name: value})
    assert (answer.status_code, answer.json()["code"]) == (400, 47001)
    assert list(answer.json()["fields"]) == [name]


@pytest.mark.parametrize(
    "raw", ["cursor=%FF", "cursor=%ED%A0%80", "limit=%C0%80", "openID=%00", "cursor=1&cursor=x"]
)
def test_broken_bytes_in_a_query_are_refused(client_of_alice, raw):
    answer = client_of_alice.call("GET", f"chat/feedback?{raw}")
    assert (answer.status_code, answer.json()["code"]) == (400, 47001)


def test_the_farthest_cursor_is_an_empty_page(client_of_alice, number):
    settled(number)
    answer = client_of_alice.get("chat/feedback", {"cursor": "9" * 18})
    assert answer.json()["result"] == {"items": [], "next_cursor": "9" * 18, "has_more": False}


def test_a_query_of_many_fields_does_no_harm(client_of_alice):
    answer = client_of_alice.call(
        "GET", "chat/feedback?" + "&".join(f"f{n}=1" for n in range(2_000))
    )
    assert answer.status_code in (200, 400)


@pytest.mark.parametrize("wait", ["-1", "soon", "nan", ""])
def test_a_wrong_wait_for_an_item_is_refused(client_of_alice, number, wait):
    message = factories.message(number)
    answer = client_of_alice.get(f"chat/feedback/{message.pk}", {"wait": wait})
    assert (answer.status_code, answer.json()["code"]) == (400, 47001)


@pytest.mark.parametrize("key", ["", "é", "a\u2028b"])
def test_a_wrong_idempotency_key_is_refused(client_of_alice, key):
    answer = client_of_alice.post("chat/send", GOOD, **{"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (400, 47001)


@pytest.mark.parametrize(
    "text",
    ["=1+1", "'; DROP TABLE x;--", "%s %(a)s {0}", "<script>", "\\u0000", "\ufeff", "\u202e"],
)
def test_text_is_text(client_of_alice, text):
    asked = send(client_of_alice, message=text + "x").json()["result"]["messageID"]
    item = client_of_alice.get(f"chat/feedback/{asked}").json()["result"]
    assert item["question"] == text + "x"
