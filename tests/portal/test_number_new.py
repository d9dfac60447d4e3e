"""Creating a service number."""

import pytest

from portal import numbers
from portal.models import AuditEntry, ServiceNumber, State
from tests import factories
from tests.pictures import picture, png_that_claims, upload

PAGE = "/console/numbers/new/"
ENTRY = {"name": "GPT robot", "introduction": "Answers.", "category": "office", "handle": ""}


@pytest.fixture
def owner(client, alice):
    client.force_login(alice)
    return alice


def complaint(client, **change: object) -> str:
    """The page that comes back, with everything that was typed."""
    response = client.post(PAGE, ENTRY | change)
    assert response.status_code == 200
    assert not ServiceNumber.objects.filter(introduction="Answers.").exists()
    return response.content.decode()


def test_it_makes_a_draft_of_the_owners(client, owner):
    response = client.post(PAGE, ENTRY)
    made = ServiceNumber.objects.get()
    assert response["Location"] == f"/console/numbers/{made.app_id}/"
    assert (made.owner, made.state) == (owner, State.DRAFT)
    assert (made.name, made.introduction) == ("GPT robot", "Answers.")
    assert (made.category, made.handle) == ("office", "gpt-robot")


def test_a_link_that_the_name_cannot_give_is_foretold(client, owner):
    page = client.get(PAGE).content.decode()
    assert "if that has Latin letters, else at random. It cannot be changed later." in page


def test_it_is_in_the_audit_trail(client, owner):
    client.post(PAGE, ENTRY)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor, entry.number.name) == ("number.create", owner, "GPT robot")


def test_it_takes_a_picture(client, owner):
    client.post(PAGE, ENTRY | {"picture": upload(picture())})
    assert len(ServiceNumber.objects.get().avatar_digest) == 64


def test_it_takes_a_link_name_in_any_case(client, owner):
    client.post(PAGE, ENTRY | {"handle": "Ask-Me-2"})
    assert ServiceNumber.objects.get().handle == "ask-me-2"


def test_state_and_owner_cannot_be_sent_along(client, owner, charlie):
    more = {"state": "approved", "owner": charlie.pk, "app_id": "fw1", "avatar_digest": "0" * 64}
    client.post(PAGE, ENTRY | more)
    made = ServiceNumber.objects.get()
    assert (made.owner, made.state, made.avatar_digest) == (owner, State.DRAFT, "")
    assert len(made.app_id) == 18


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "a\x00b", "pаypal", "a\u202eb", "a\u200bb"])
def test_a_bad_name_is_refused_beside_the_field(client, owner, name):
    page = complaint(client, name=name)
    assert 'id="id_name_error"' in page
    assert "Answers." in page


@pytest.mark.parametrize("name", ["Helper", "HELPER", "  helper "])
def test_a_name_that_is_taken_is_refused_beside_the_field(client, owner, charlie, name):
    numbers.create(charlie, "Helper", actor=charlie)
    page = complaint(client, name=name)
    assert "A service number of this name already exists." in page
    assert 'id="id_name_error"' in page


def test_a_name_that_is_taken_meanwhile_is_refused_too(client, owner, charlie, monkeypatch):
    validate = numbers._validate

    def overtake(number):
        monkeypatch.setattr(numbers, "_validate", validate)
        validate(number)
        numbers.create(charlie, number.name, actor=charlie, handle="theirs")

    monkeypatch.setattr(numbers, "_validate", overtake)
    assert "A service number of this name already exists." in complaint(client)


@pytest.mark.parametrize("handle", ["-a", "a-", "a b", "a_b", "机器人", "a/b", "x" * 41, "a\x00"])
def test_a_bad_link_name_is_refused_beside_the_field(client, owner, handle):
    assert 'id="id_handle_error"' in complaint(client, handle=handle)


@pytest.mark.parametrize("handle", ["demo", "Admin", "official"])
def test_a_reserved_link_name_is_refused(client, owner, handle):
    assert "reserved" in complaint(client, handle=handle)


def test_no_name_leads_to_a_reserved_link_name(client, owner):
    client.post(PAGE, ENTRY | {"name": "Demo"})
    assert ServiceNumber.objects.get().handle.startswith("demo-")


def test_a_link_name_that_is_taken_is_refused_beside_the_field(client, owner, charlie):
    numbers.create(charlie, "Other", actor=charlie, handle="mine")
    assert "This link name is taken." in complaint(client, handle="mine")


@pytest.mark.parametrize(
    ("field", "value"),
    [("introduction", "x" * 501), ("introduction", "a\x00"), ("category", "nonsense")],
)
def test_other_bad_fields_are_refused(client, owner, field, value):
    response = client.post(PAGE, ENTRY | {field: value})
    assert f'id="id_{field}_error"' in response.content.decode()
    assert not ServiceNumber.objects.exists()


def test_a_line_break_counts_as_one_character(client, owner):
    client.post(PAGE, ENTRY | {"introduction": "\r\n".join(["x"] * 250)})
    assert len(ServiceNumber.objects.get().introduction) == 499


@pytest.mark.parametrize(
    "content", [b"<svg/>", png_that_claims(30_000, 30_000), picture() + b"x" * 2_000_000]
)
def test_a_bad_picture_is_refused_beside_the_field(client, owner, content):
    assert 'id="id_picture_error"' in complaint(client, picture=upload(content))


def test_a_picture_is_asked_for_again_after_an_error(client, owner):
    assert "Choose the picture again" in complaint(client, name="", picture=upload(picture()))


def test_an_account_has_a_limit(client, owner, monkeypatch):
    monkeypatch.setattr(numbers, "NUMBERS_AT_MOST", 1)
    factories.number(owner=owner, state=State.CLOSED)
    assert "no more are allowed" in complaint(client)


def test_an_empty_form_is_refused(client, owner):
    assert 'id="id_name_error"' in client.post(PAGE).content.decode()


def test_the_page_says_what_the_link_will_be(client, owner, settings):
    assert f"{settings.SITE_URL}/chat/" in client.get(PAGE).content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_stranger_logs_in_first(client, method):
    response = getattr(client, method)(PAGE, ENTRY)
    assert response["Location"].startswith("/accounts/login/?next=/console/numbers/new/")
    assert not ServiceNumber.objects.exists()


def test_other_methods_are_refused(client, owner):
    assert client.put(PAGE).status_code == 405
