"""The profile of a service number, and what its owner may do with its state."""

import pytest

from portal import numbers
from portal.models import AuditEntry, ServiceNumber, State
from portal.number_forms import ProfileForm
from tests import factories
from tests.pictures import picture, upload

ENTRY = {"name": "New name", "introduction": "New words.", "category": "office"}


@pytest.fixture
def draft(client, alice) -> ServiceNumber:
    client.force_login(alice)
    made = factories.number("Old name", owner=alice, state=State.DRAFT)
    numbers.edit(made, {"introduction": "Old words."}, actor=alice)
    return made


def page(number, tail: str = "profile/") -> str:
    return f"/console/numbers/{number.app_id}/{tail}"


def in_state(number, state: str) -> ServiceNumber:
    ServiceNumber.objects.filter(pk=number.pk).update(state=state)
    number.refresh_from_db()
    return number


def of(number) -> tuple[str, str, str]:
    number.refresh_from_db()
    return (number.name, number.introduction, number.category)


# Editing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.DRAFT, State.REJECTED])
def test_it_changes_everything_of_a_draft(client, draft, state):
    in_state(draft, state)
    response = client.post(page(draft), ENTRY)
    assert response["Location"] == page(draft)
    assert of(draft) == ("New name", "New words.", "office")
    assert draft.state == state


@pytest.mark.parametrize("state", [State.APPROVED, State.SUSPENDED])
def test_the_name_is_fixed_once_people_know_it(client, draft, state):
    in_state(draft, state)
    client.post(page(draft), ENTRY)
    assert of(draft) == ("Old name", "New words.", "office")


@pytest.mark.parametrize(
    ("state", "word"), [(State.IN_REVIEW, "Withdraw it first"), (State.CLOSED, "is closed")]
)
def test_nothing_changes_while_it_is_reviewed_or_closed(client, draft, state, word):
    in_state(draft, state)
    response = client.post(page(draft), ENTRY)
    assert of(draft) == ("Old name", "Old words.", "")
    assert word in response.content.decode()
    assert "New words." in response.content.decode()


@pytest.mark.parametrize("state", [State.IN_REVIEW, State.CLOSED])
def test_the_page_is_then_there_to_read(client, draft, state):
    in_state(draft, state)
    content = client.get(page(draft)).content.decode()
    assert "Old words." in content
    assert "Save profile" not in content


def test_what_changed_is_in_the_audit_trail_with_old_and_new(client, draft, alice):
    client.post(page(draft), ENTRY | {"name": "Old name"})
    entry = AuditEntry.objects.filter(action="number.edit").latest("pk")
    changes = {"introduction": ["Old words.", "New words."], "category": ["", "office"]}
    assert (entry.actor, entry.details) == (alice, {"changes": changes})


def test_saving_without_a_change_leaves_no_trace(client, draft):
    client.post(page(draft), ENTRY)
    before = AuditEntry.objects.count()
    client.post(page(draft), ENTRY)
    assert AuditEntry.objects.count() == before


def test_a_tab_from_before_a_decision_revives_nothing(draft, alice):
    form = ProfileForm(draft, ENTRY)
    assert form.is_valid()
    ServiceNumber.objects.filter(pk=draft.pk).update(state=State.SUSPENDED, state_reason="spam")
    form.save(alice)
    assert of(draft) == ("Old name", "New words.", "office")
    assert (draft.state, draft.state_reason) == (State.SUSPENDED, "spam")


def test_a_name_that_is_taken_is_refused_beside_the_field(client, draft, charlie):
    numbers.create(charlie, "New name", actor=charlie)
    content = client.post(page(draft), ENTRY).content.decode()
    assert "A service number of this name already exists." in content
    assert "New words." in content
    assert of(draft)[0] == "Old name"


@pytest.mark.parametrize(
    "change", [{"name": "a\x00"}, {"introduction": "x" * 501}, {"category": ""}]
)
def test_bad_input_is_refused(client, draft, change):
    assert "invalid-feedback" in client.post(page(draft), ENTRY | change).content.decode()
    assert of(draft) == ("Old name", "Old words.", "")


def test_a_category_that_left_the_list_can_be_kept(client, draft):
    ServiceNumber.objects.filter(pk=draft.pk).update(category="Bakery")
    client.post(page(draft), ENTRY | {"category": "Bakery"})
    assert of(draft)[2] == "Bakery"


def test_a_picture_is_put_on_and_taken_off(client, draft):
    client.post(page(draft), ENTRY | {"picture": upload(picture())})
    draft.refresh_from_db()
    assert draft.avatar_digest
    client.post(page(draft), ENTRY | {"remove_picture": "on"})
    draft.refresh_from_db()
    assert draft.avatar_digest == ""


# Moving -----------------------------------------------------------------------------------------


def test_it_is_submitted(client, draft):
    response = client.post(page(draft, "move/submit/"), follow=True)
    draft.refresh_from_db()
    assert draft.state == State.IN_REVIEW
    assert "Submitted for review." in response.content.decode()


def test_it_is_not_submitted_without_an_introduction(client, draft, alice):
    numbers.edit(draft, {"introduction": ""}, actor=alice)
    response = client.post(page(draft, "move/submit/"), follow=True)
    draft.refresh_from_db()
    assert draft.state == State.DRAFT
    assert "Write an introduction first" in response.content.decode()


def test_what_was_typed_is_saved_and_submitted_at_once(client, draft):
    content = client.post(page(draft), ENTRY | {"then": "submit"}, follow=True).content.decode()
    assert of(draft) == ("New name", "New words.", "office")
    assert draft.state == State.IN_REVIEW
    assert "Submitted for review." in content


def test_the_button_that_submits_sends_the_profile(client, draft):
    content = client.get(page(draft)).content.decode()
    assert '<button class="btn btn-primary" form="profile" name="then" value="submit"' in content
    assert 'id="profile"' in content


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"introduction": " "}, "Write an introduction first"),
        ({"introduction": "x" * 501}, "at most 500 characters"),
        ({"category": "none"}, "Select a valid choice"),
    ],
)
def test_what_cannot_be_submitted_stays_in_the_form(client, draft, change, words):
    entry = ENTRY | change | {"then": "submit"}
    content = client.post(page(draft), entry).content.decode()
    assert words in content
    assert 'value="New name"' in content
    assert of(draft) == ("Old name", "Old words.", "")
    assert draft.state == State.DRAFT


def test_nothing_is_saved_where_it_cannot_be_submitted_any_more(client, draft):
    in_state(draft, State.APPROVED)
    content = client.post(page(draft), ENTRY | {"then": "submit"}).content.decode()
    assert "The service number is approved now." in content
    assert "New words." in content
    assert of(draft)[1] == "Old words."


def test_an_introduction_is_never_cut_without_a_word(client, draft):
    content = client.get(page(draft)).content.decode()
    assert "up to 500 characters" in content
    assert 'maxlength="500"' not in content


def test_it_says_who_may_chat_after_the_approval(client, draft):
    content = client.get(page(draft)).content.decode()
    assert content.count("everybody who has an account and the link") == 2


def test_it_is_withdrawn(client, draft):
    in_state(draft, State.IN_REVIEW)
    client.post(page(draft, "move/withdraw/"))
    draft.refresh_from_db()
    assert draft.state == State.DRAFT


def test_it_is_closed_by_its_name(client, draft):
    client.post(page(draft, "move/close/"), {"typed": " Old name "})
    draft.refresh_from_db()
    assert draft.state == State.CLOSED


@pytest.mark.parametrize("typed", ["", "old name", "a\x00", "x" * 100])
def test_it_is_not_closed_by_another_name(client, draft, typed):
    response = client.post(page(draft, "move/close/"), {"typed": typed}, follow=True)
    draft.refresh_from_db()
    assert draft.state == State.DRAFT
    assert "Nothing was closed" in response.content.decode()


@pytest.mark.parametrize(
    ("state", "step"),
    [(State.APPROVED, "submit"), (State.DRAFT, "withdraw"), (State.CLOSED, "close")],
)
def test_a_step_that_the_state_does_not_allow_is_explained(client, draft, state, step):
    in_state(draft, state)
    response = client.post(page(draft, f"move/{step}/"), {"typed": "Old name"}, follow=True)
    draft.refresh_from_db()
    assert draft.state == state
    assert "The service number is" in response.content.decode()


@pytest.mark.parametrize("step", ["approve", "reject", "suspend", "reinstate", "%00", "x" * 500])
def test_the_rest_is_the_review_desks(client, draft, step):
    assert client.post(page(draft, f"move/{step}/")).status_code == 404


def test_from_the_overview_one_comes_back_to_it(client, draft):
    response = client.post(page(draft, "move/submit/"), {"back": "overview"})
    assert response["Location"] == page(draft, "")


# Doors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tail", ["profile/", "move/submit/", "move/close/"])
def test_charlie_gets_nothing(client, draft, charlie, tail):
    client.force_login(charlie)
    entry = ENTRY | {"typed": "Old name"}
    assert client.post(page(draft, tail), entry).status_code == 404
    assert of(draft)[0] == "Old name"
    assert draft.state == State.DRAFT


def test_charlie_cannot_read_it(client, draft, charlie):
    client.force_login(charlie)
    assert client.get(page(draft)).status_code == 404


@pytest.mark.parametrize("tail", ["profile/", "move/submit/"])
def test_a_stranger_logs_in_first(client, draft, tail):
    client.logout()
    assert client.post(page(draft, tail), ENTRY)["Location"].startswith("/accounts/login/")


def test_other_methods_are_refused(client, draft):
    assert client.get(page(draft, "move/submit/")).status_code == 405
    assert client.delete(page(draft)).status_code == 405


@pytest.mark.parametrize("app_id", ["%00", "fw" + "0" * 16, "x" * 500])
def test_an_unknown_number_is_not_found(client, draft, app_id):
    assert client.get(f"/console/numbers/{app_id}/profile/").status_code == 404
