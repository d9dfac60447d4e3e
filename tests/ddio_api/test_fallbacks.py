"""What fails before or beyond every view still speaks the caller's language: JSON to machines."""

import pytest

pytestmark = pytest.mark.django_db


def test_a_forged_host_gets_the_envelope(client):
    response = client.post("/platform/api2/token", headers={"Host": "evil.example"})
    assert (response.status_code, response.json()["code"]) == (400, 47001)
    assert response.json()["request_id"] == response["X-Request-ID"]


@pytest.mark.parametrize("path", ["/platform/api2", "/platform/else", "/oauth2/x"])
def test_a_path_beside_the_doors_gets_the_envelope(client, path):
    response = client.get(path)
    assert (response.status_code, response.json()["code"]) == (404, 40404)


@pytest.mark.parametrize("path", ["/v1/", "/v1/nothing", "/v1/chat", "/v1/chat/completions/"])
def test_clients_of_openai_get_their_error_object(client, path):
    response = client.post(path)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "unknown_url")
    assert response["X-Request-ID"]


def test_a_forged_host_gets_openais_error_object(client):
    response = client.post("/v1/chat/completions", headers={"Host": "evil.example"})
    error = response.json()["error"]
    assert (response.status_code, error["type"]) == (400, "invalid_request_error")
    assert "ALLOWED_HOSTS" in error["message"]


def test_a_person_gets_a_page(client):
    assert client.get("/nothing/")["Content-Type"].startswith("text/html")
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400


def test_a_failure_outside_every_view_gets_the_envelope(client, monkeypatch):
    client.raise_request_exception = False
    monkeypatch.setattr("django.middleware.common.CommonMiddleware.process_request", broken)
    response = client.get("/platform/api2/chat/feedback")
    assert (response.status_code, response.json()["code"]) == (500, -1)


def broken(self, request):
    raise RuntimeError
