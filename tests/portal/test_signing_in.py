"""Signing in: one door with one set of limits, and second factors that no dump gives away."""

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

from portal import logs
from portal.models import User
from portal.second_factor import Adapter
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator() -> User:
    user = User.objects.create_superuser("root@example.org", "a long and winding road")
    user.emailaddress_set.create(email=user.email, verified=True, primary=True)
    return user


def test_the_admin_has_no_login_of_its_own(client, administrator):
    TOTP.activate(administrator, generate_totp_secret())
    entry = {"username": administrator.email, "password": "a long and winding road"}
    response = client.post("/admin/login/?next=/admin/", entry)
    assert response["Location"].startswith("/accounts/login/")
    assert "_auth_user_id" not in client.session


def test_the_password_alone_does_not_sign_in_who_has_a_second_factor(client, administrator):
    TOTP.activate(administrator, generate_totp_secret())
    entry = {"login": administrator.email, "password": "a long and winding road"}
    response = client.post("/accounts/login/", entry)
    assert response["Location"] == "/accounts/2fa/authenticate/"
    assert "_auth_user_id" not in client.session


def test_a_second_factor_is_encrypted_at_rest(administrator):
    secret = generate_totp_secret()
    TOTP.activate(administrator, secret)
    stored = Authenticator.objects.get()
    assert secret not in str(stored.data)
    assert Adapter().decrypt(stored.data["secret"]) == secret


def test_signing_up_looks_the_same_for_a_known_address(client):
    factories.user("known@example.org")
    entry = {"password1": "a long and winding road"}
    known = client.post("/accounts/signup/", entry | {"email": "known@example.org"})
    fresh = client.post("/accounts/signup/", entry | {"email": "fresh@example.org"})
    assert (known.status_code, known["Location"]) == (fresh.status_code, fresh["Location"])


def test_signing_up_hashes_a_password_for_a_known_address_too(client, monkeypatch):
    factories.user("known@example.org")
    hashed: list[str] = []
    monkeypatch.setattr("portal.forms.make_password", hashed.append)
    entry = {"email": "known@example.org", "password1": "a long and winding road"}
    client.post("/accounts/signup/", entry)
    assert hashed == ["a long and winding road"]


def test_a_link_that_signs_somebody_in_is_not_logged():
    event = {"event": "Forbidden: /accounts/first-administrator/tok.en:x/"}
    assert logs._hide_links(None, "", event)["event"].endswith("/first-administrator/…/")
