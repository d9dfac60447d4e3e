"""The robot page: what the robot is told, and every change of it on the record."""

import pytest
from django.urls import reverse

from bots import keys, robots
from bots.models import ApiKey, KeyStatus, Robot
from portal.models import AuditEntry, State
from tests import factories
from tests.bots import talking
from tests.conftest import page

pytestmark = pytest.mark.django_db

URL = "https://api.example.com/v1"
FORM = {
    "model": "gpt-5-mini",
    "system_prompt": "Be kind.\r\nBe brief.",
    "greeting": "Hello.",
    "suggested_questions": "What is this?\r\n\r\n  Who   are you? ",
    "guests_allowed": "on",
    "temperature": "0.7",
    "context_tokens": "3000",
    "answer_tokens": "",
}


@pytest.fixture
def path(number) -> str:
    return reverse("number-robot", args=[number.app_id])


def test_it_shows_the_robot_as_it_is(as_alice, path, number):
    Robot.objects.update(suggested_questions=["One?", "Two?"], greeting="<b>Hi</b>")
    shown = page(as_alice.get(path))
    assert 'value="echo"' in shown
    assert "Be brief." in shown
    assert "One?\nTwo?" in shown
    assert "&lt;b&gt;Hi&lt;/b&gt;" in shown


def test_it_saves_what_was_typed(as_alice, path, number):
    response = as_alice.post(path, FORM)
    robot = Robot.objects.get()
    assert (response.status_code, response["Location"]) == (302, path)
    assert (robot.model, robot.system_prompt) == ("gpt-5-mini", "Be kind.\nBe brief.")
    assert robot.suggested_questions == ["What is this?", "Who are you?"]
    assert (robot.guests_allowed, robot.temperature) == (True, 0.7)
    assert (robot.context_tokens, robot.answer_tokens) == (3000, None)


def test_after_saving_it_leads_to_the_chat(as_alice, path, number):
    shown = page(as_alice.post(path, FORM, follow=True))
    chat = reverse("chat", args=[number.handle])
    assert f'<a class="alert-link" href="{chat}">Try it in the chat</a>' in shown


def test_the_audit_trail_keeps_old_and_new_of_what_changed(as_alice, path, number, alice):
    as_alice.post(path, FORM | {"model": "echo", "context_tokens": "4000", "greeting": ""})
    entry = AuditEntry.objects.get(action="robot.edit")
    assert entry.actor == alice
    assert entry.details["changes"] == {
        "system_prompt": ["Be brief.", "Be kind.\nBe brief."],
        "suggested_questions": [[], ["What is this?", "Who are you?"]],
        "guests_allowed": [False, True],
        "temperature": [None, 0.7],
    }


def test_saving_the_same_again_leaves_no_trace(as_alice, path):
    as_alice.post(path, FORM)
    as_alice.post(path, FORM)
    assert AuditEntry.objects.filter(action="robot.edit").count() == 1


def test_a_number_without_a_robot_gets_one(as_alice, path, number):
    number.robot.delete()
    as_alice.post(path, FORM)
    assert Robot.objects.get(number=number).model == "gpt-5-mini"
    assert AuditEntry.objects.get(action="robot.edit").details["changes"]["model"] == [
        "",
        "gpt-5-mini",
    ]


def test_a_number_without_a_robot_begins_with_the_local_model(as_alice, path, number, settings):
    number.robot.delete()
    keys.bind(number, keys.LOCAL, "", actor=None)
    assert f'value="{settings.LOCAL_MODEL_NAME}"' in page(as_alice.get(path))


def test_it_offers_the_models_that_the_keys_list(as_alice, path, number):
    factories.key(number, URL, "sk-1234567890abcdefghij", models_listed=["b", 'a"<'])
    factories.key(number, URL, "sk-2234567890abcdefghij", models_listed=["b", "c"])
    shown = page(as_alice.get(path))
    assert shown.count('<option value="b">') == 1
    assert '<option value="a&quot;&lt;">' in shown


def test_it_offers_what_the_simulator_does_in_the_readers_words(as_alice, path, number):
    keys.bind(number, keys.SANDBOX, "", actor=None)
    shown = page(as_alice.get(path))
    assert '<option value="429-quota">' in shown
    assert "<dt><code>429-quota</code></dt><dd>Says that the quota is used up.</dd>" in shown
    saved = page(as_alice.post(path, FORM | {"model": "wait-30"}, follow=True))
    assert "None of your API keys lists this model" not in saved


def test_it_says_that_the_simulator_answers(as_alice, path, number):
    assert "not from a model" not in page(as_alice.get(path))
    keys.bind(number, keys.SANDBOX, "", actor=None)
    assert "Answers come from the simulator, not from a model." in page(as_alice.get(path))


def test_beside_another_key_it_offers_nothing_of_the_simulator(as_alice, path, number):
    keys.bind(number, keys.SANDBOX, "", actor=None)
    factories.key(number, URL, models_listed=["gpt-5"])
    shown = page(as_alice.get(path))
    assert ('<option value="gpt-5">' in shown, "429-quota" in shown) == (True, False)


def test_a_number_without_a_robot_begins_with_a_model_of_the_simulator(as_alice, path, number):
    number.robot.delete()
    keys.bind(number, keys.SANDBOX, "", actor=None)
    assert f'value="{robots.SANDBOX_MODEL}"' in page(as_alice.get(path))


def test_it_offers_no_models_of_removed_keys(as_alice, path, number):
    key = factories.key(number, URL, models_listed=["gone"])
    keys.remove(key, actor=None)
    assert '"gone"' not in page(as_alice.get(path))


def test_without_a_key_it_leads_to_the_keys_page(as_alice, path, number):
    assert reverse("number-keys", args=[number.app_id]) + "?add" in page(as_alice.get(path))


def test_it_says_where_no_list_of_models_came_yet(as_alice, path, number):
    factories.key(number, URL)
    assert "have listed no models yet" in page(as_alice.get(path))


def test_a_model_that_no_key_lists_is_saved_with_a_warning(as_alice, path, number):
    factories.key(number, URL, models_listed=["other"])
    assert "None of your API keys lists this model" in page(as_alice.post(path, FORM, follow=True))
    assert Robot.objects.get().model == "gpt-5-mini"


def test_another_model_has_the_keys_checked_anew(as_alice, path, number, charlies_number):
    mine = factories.key(number, URL, status=KeyStatus.NO_ACCESS)
    factories.key(charlies_number, URL)
    as_alice.post(path, FORM)
    assert list(ApiKey.objects.filter(status=KeyStatus.PENDING)) == [mine]


def test_the_same_model_leaves_the_verdicts_alone(as_alice, path, number):
    factories.key(number, URL)
    as_alice.post(path, FORM | {"model": "echo"})
    assert ApiKey.objects.get().status == KeyStatus.VALID


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": ""}, "This field is required"),
        ({"model": "m" * 121}, "at most 120 characters"),
        ({"model": "a\u202eb"}, "invisible characters"),
        ({"model": "a\0"}, "Null characters"),
        ({"system_prompt": "p" * 20_001}, "at most 20000 characters"),
        ({"system_prompt": "\0"}, "Null characters"),
        ({"greeting": "g" * 2_001}, "at most 2000 characters"),
        ({"suggested_questions": "1\n2\n3\n4\n5"}, "At most 4 questions"),
        ({"suggested_questions": "q" * 121}, "longer than 120 characters"),
        ({"suggested_questions": "\0"}, "Null characters"),
        ({"temperature": "nan"}, "Enter a number"),
        ({"temperature": "inf"}, "Enter a number"),
        ({"temperature": "1e999"}, "Enter a number"),
        ({"temperature": "2.1"}, "less than or equal to 2"),
        ({"temperature": "-0.1"}, "greater than or equal to 0"),
        ({"context_tokens": ""}, "This field is required"),
        ({"context_tokens": "199"}, "greater than or equal to 200"),
        ({"context_tokens": "9" * 30}, "less than or equal to 1000000"),
        ({"answer_tokens": "0"}, "greater than or equal to 1"),
        ({"answer_tokens": "1.5"}, "Enter a whole number"),
    ],
)
def test_it_says_beside_the_field_what_is_wrong(as_alice, path, change, words):
    response = as_alice.post(path, FORM | change)
    assert response.status_code == 200
    assert words in page(response)
    assert Robot.objects.get().model == "echo"


def test_after_an_error_the_typed_text_is_kept(as_alice, path):
    shown = page(as_alice.post(path, FORM | {"temperature": "9"}))
    assert "Be kind.\r\nBe brief." in shown
    assert "Who   are you?" in shown
    assert "<details open>" in shown


def test_a_prompt_of_full_length_counts_its_line_ends_once(as_alice, path):
    prompt = "\r\n".join(["p" * 99] * 200)
    as_alice.post(path, FORM | {"system_prompt": prompt})
    assert len(Robot.objects.get().system_prompt) == 19_999


def test_only_the_forms_own_fields_are_written(number, alice):
    Robot.objects.update(greeting="Set by another tab.")
    robots.save(number, {"model": "new"}, actor=alice)
    robot = Robot.objects.get()
    assert (robot.model, robot.greeting) == ("new", "Set by another tab.")


def test_a_field_that_is_not_in_the_form_cannot_be_set(as_alice, path, charlies_number):
    as_alice.post(path, FORM | {"number": charlies_number.pk, "pk": charlies_number.pk})
    assert charlies_number.robot.model == "echo"


def test_anonymous_people_are_asked_to_log_in(client, path):
    assert client.get(path)["Location"].startswith(reverse("account_login"))
    assert client.post(path, FORM)["Location"].startswith(reverse("account_login"))


def test_charlie_gets_nothing(client, charlie, path):
    client.force_login(charlie)
    assert client.get(path).status_code == 404
    assert client.post(path, FORM).status_code == 404
    assert Robot.objects.get(number__app_id=path.split("/")[3]).model == "echo"


def test_other_methods_are_refused(as_alice, path):
    assert as_alice.put(path).status_code == 405


def test_a_closed_numbers_robot_stays_as_it_is(as_alice, path, number):
    talking.in_state(number, State.CLOSED)
    response = as_alice.post(path, FORM)
    assert response.status_code == 200
    assert "Nothing was saved: the service number is closed." in page(response)
    assert "Be kind." in page(response)
    assert Robot.objects.get().model == "echo"
