"""GET /v1/models: the robot's model, and no other."""

import pytest

from bots.models import Robot
from tests.ddio_api.openai_client import OpenAiClient, openai_client

pytestmark = pytest.mark.django_db


def test_it_lists_the_robots_model(openai_of_alice, number):
    assert openai_of_alice.get("models").json() == {
        "object": "list",
        "data": [
            {
                "id": "echo",
                "object": "model",
                "created": int(number.created_at.timestamp()),
                "owned_by": number.handle,
            }
        ],
    }


def test_it_lists_nothing_without_a_robot(openai_of_alice):
    Robot.objects.all().delete()
    assert openai_of_alice.get("models").json()["data"] == []


def test_each_lists_its_own(openai_of_alice, charlies_number):
    Robot.objects.filter(number=charlies_number).update(model="other")
    listed = openai_client(charlies_number).get("models").json()["data"]
    assert [model["id"] for model in listed] == ["other"]


@pytest.mark.parametrize("name", ["echo", "gpt-4o:free", "模型"])
def test_it_looks_the_robots_model_up(openai_of_alice, name):
    Robot.objects.update(model=name)
    assert openai_of_alice.get(f"models/{name}").json()["id"] == name


def test_a_name_may_have_slashes(openai_of_alice):
    Robot.objects.update(model="meta-llama/Llama-3")
    headers = openai_of_alice._headers
    for path in ("meta-llama/Llama-3", "meta-llama%2FLlama-3"):
        answer = openai_of_alice._client.get(f"/v1/models/{path}", headers=headers)
        assert answer.json()["id"] == "meta-llama/Llama-3"


@pytest.mark.parametrize("name", ["gpt-4o", "Echo", "%00", "echo%20", "x" * 5000])
def test_another_model_is_not_found(openai_of_alice, name):
    answer = openai_of_alice.get(f"models/{name}")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")


def test_without_a_robot_no_model_is_found(openai_of_alice):
    Robot.objects.all().delete()
    assert openai_of_alice.get("models/echo").status_code == 404


def test_models_are_for_those_with_a_token():
    answers = [OpenAiClient().get(path) for path in ("models", "models/echo")]
    assert [answer.status_code for answer in answers] == [401, 401]
