"""Django's admin of accounts and numbers: roles with a trail, and no secret on any page."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Barrier, BrokenBarrierError

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.models import Session
from django.db import close_old_connections, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from bots import followers, news, settlement
from bots.models import Budget, Conversation, Message, Price
from ddio_api import admin as call_admin
from ddio_api.models import Call, Gap
from portal import audit, outbox
from portal.models import AppSecret, AuditEntry, Notice, OutboxEntry, ServiceNumber, State, User
from tests import factories
from tests.bots.spending import spend

TOTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
API_KEY = "sk-canary-of-the-provider-7777-wxyz"
WORDS = "canary words of a person"


@pytest.fixture
def root(db: None) -> User:
    return factories.user("root@example.org", is_superuser=True, is_staff=True)


@pytest.fixture
def office(client: Client, root: User) -> Client:
    client.force_login(root)
    return client


@pytest.fixture
def helper(db: None) -> User:
    """May look after accounts, but is no administrator."""
    return factories.user("helper@example.org", is_staff=True)


def url(model: type, page: str = "changelist", *args: object) -> str:
    meta = model._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{page}", args=args)


# No secret on any page --------------------------------------------------------------------------


@pytest.fixture
def canaries(alice: User, number: ServiceNumber) -> list[str]:
    """One row at least of everything, and what of it no page may show."""
    alice.set_password("a long canary password")
    alice.save()
    totp = TOTP.activate(alice, TOTP_SECRET).instance
    codes = RecoveryCodes.activate(alice).instance
    key = factories.key(number, "https://llm.example.com", API_KEY)
    key.take_verdict("invalid", "401")
    secret = factories.secret(number)
    message = factories.message(number, f"question: {WORDS}")
    settlement.cancel(message)
    Message.objects.update(answer=f"answer: {WORDS}", comment=WORDS)
    Conversation.objects.update(title=WORDS)
    followers.follow(number, alice)
    news.send(news.Notice(number, f"news: {WORDS}"))
    visitor = Client()
    visitor.force_login(alice)
    visitor.get("/")
    session = visitor.session.session_key
    UserSession.objects.create(user=alice, session_key=session, ip="10.0.0.1", user_agent="Canary")
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    Group.objects.create(name="Helpers")
    Notice.objects.create(user=alice, number=number, kind="approve", at=timezone.now())
    outbox.add("test.topic")
    factories.call(number)
    spend(number)
    Price.objects.create(number=number, model="echo", input=1, output=1)
    Budget.objects.create(number=number, tokens=1_000)
    Gap.objects.create(began=timezone.now(), ended=timezone.now(), calls=1)
    sealed = [each.data[name] for each, name in ((totp, "secret"), (codes, "seed"))]
    hashes = [alice.password, secret.row.digest, key.sealed, key.mask]
    return [TOTP_SECRET, API_KEY, "wxyz", WORDS, session, secret.clear, *sealed, *hashes]


def pages() -> Iterator[str]:
    """Every page of every row that the admin knows."""
    for model in admin.site._registry:
        rows = model._default_manager.all()
        assert rows, f"the scene lacks a {model.__name__}"
        yield url(model)
        yield from (url(model, "change", row.pk) for row in rows)
        yield from (url(model, "history", row.pk) for row in rows)


def test_no_page_shows_a_secret_or_what_people_said(office, canaries):
    shown = {path: office.get(path) for path in pages()}
    assert {path for path, page in shown.items() if page.status_code != 200} == set()
    leaks = [
        (path, canary)
        for path, page in shown.items()
        for canary in canaries
        if canary in page.content.decode()
    ]
    assert leaks == []
    assert len(shown) > 40


def test_every_model_can_be_searched(office, canaries):
    for model, model_admin in admin.site._registry.items():
        if model_admin.search_fields:
            assert office.get(url(model), {"q": "canary's"}).status_code == 200, model


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("bots/message/%00/change/", 400),
        ("bots/apikey/%00/history/", 400),
        ("r/1/%00/", 400),
        ("autocomplete/?app_label=bots&term=%00", 400),
        ("bots/message/?status__exact=%00&status__exact=done", 400),
        (f"bots/robot/{9 * 10**20}/change/", 302),
        ("bots/message/?status__exact=%00", 400),
        ("portal/user/?email=%00", 400),
        ("portal/user/?q=%00", 400),
        ("portal/user/?p=99999999999999999999", 200),
        ("portal/user/99999999999999999999/change/", 302),
    ],
)
def test_bad_addresses_do_no_harm(office, canaries, path, status):
    assert office.get(f"/admin/{path}").status_code == status


def test_a_longer_list_takes_no_more_queries(office, canaries, charlie):
    models = [each for each in admin.site._registry if each._meta.app_label in ("portal", "bots")]
    before = {model: queries_of(office, url(model)) for model in models}
    other = factories.number(owner=charlie)
    factories.key(other, "https://other.example.com").take_verdict("invalid", "401")
    factories.secret(other)
    factories.message(other)
    followers.follow(other, charlie)
    news.send(news.Notice(other, "Hello."))
    Notice.objects.create(user=charlie, number=other, kind="approve", at=timezone.now())
    assert {model: queries_of(office, url(model)) for model in models} == before


def queries_of(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as seen:
        assert client.get(path).status_code == 200
    return len(seen)


# Who may come in --------------------------------------------------------------------------------


@pytest.mark.parametrize("who", [None, "alice", "moderator"])
def test_it_is_closed_to_whoever_is_no_staff(client, request, number, who):
    if who:
        client.force_login(request.getfixturevalue(who))
    assert client.get("/admin/").status_code == 302
    assert client.get(url(User)).status_code == 302


READ_ONLY = [AppSecret, AuditEntry, Authenticator, Notice, OutboxEntry, UserSession]


@pytest.mark.parametrize("model", READ_ONLY)
def test_it_only_shows(office, canaries, model):
    row = model._default_manager.all()[0]
    assert office.post(url(model, "add"), {}).status_code == 403
    assert office.post(url(model, "change", row.pk), {}).status_code == 403
    assert office.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert model._default_manager.filter(pk=row.pk).exists()


# Accounts ---------------------------------------------------------------------------------------


def save(client: Client, user: User, **fields: object):
    given = {
        name: "on"
        for name in ("is_active", "is_moderator", "is_staff", "is_superuser")
        if getattr(user, name)
    }
    wanted = {name: value for name, value in (given | fields).items() if value}
    return client.post(url(User, "change", user.pk), wanted)


def last_deed() -> AuditEntry:
    return AuditEntry.objects.latest("pk")


def test_a_moderator_is_made_and_it_is_on_the_trail(office, alice):
    assert save(office, alice, is_moderator="on").status_code == 302
    assert User.objects.get(pk=alice.pk).is_moderator
    entry = last_deed()
    assert (entry.action, entry.actor_name) == ("account.role", "root@example.org")
    assert entry.details == {"account": alice.email, "changes": {"is_moderator": [False, True]}}


@pytest.mark.parametrize("role", ["is_active", "is_moderator", "is_staff", "is_superuser"])
def test_whoever_loses_a_role_is_signed_out_everywhere(office, alice, role):
    roles = dict.fromkeys(["is_moderator", "is_staff", "is_superuser"], True)
    User.objects.filter(pk=alice.pk).update(**roles)
    alice.refresh_from_db()
    visitor = Client()
    visitor.force_login(alice)
    UserSession.objects.create(
        user=alice, session_key=visitor.session.session_key, ip="10.0.0.1", user_agent=""
    )
    save(office, alice, **{role: ""})
    assert not Session.objects.filter(pk=visitor.session.session_key).exists()
    assert visitor.get("/console/notices/").status_code == 302
    assert last_deed().details["changes"] == {role: [True, False]}


def demote_apart(job: tuple[User, User]) -> int:
    actor, other = job
    client = Client()
    try:
        client.force_login(actor)
        return save(client, other, is_moderator="").status_code
    finally:
        close_old_connections()


@pytest.mark.django_db(transaction=True)
def test_two_administrators_may_demote_each_other_at_once(monkeypatch, root):
    other = factories.user("other@example.org", is_superuser=True, is_staff=True)
    User.objects.update(is_moderator=True)
    pair = list(User.objects.filter(pk__in=[root.pk, other.pk]))
    met, record = Barrier(2), audit.record

    def record_together(*args, **kwargs):
        with suppress(BrokenBarrierError):  # SQLite has one writer at a time
            met.wait(timeout=1)
        return record(*args, **kwargs)

    monkeypatch.setattr(audit, "record", record_together)
    with ThreadPoolExecutor(2) as pool:
        statuses = list(pool.map(demote_apart, [tuple(pair), tuple(reversed(pair))]))
    assert statuses == [302, 302]
    assert AuditEntry.objects.filter(action="account.role").count() == 2


def test_a_change_without_a_role_signs_nobody_out(office, alice):
    visitor = Client()
    visitor.force_login(alice)
    before = AuditEntry.objects.count()
    save(office, alice, language="zh-hans")
    assert User.objects.get(pk=alice.pk).language == "zh-hans"
    assert visitor.get("/console/notices/").status_code == 200
    assert AuditEntry.objects.count() == before


def test_groups_are_on_the_trail_too(office, alice):
    group = Group.objects.create(name="Helpers")
    save(office, alice, groups=[group.pk])
    assert last_deed().details["changes"] == {"groups": [[], ["Helpers"]]}
    assert list(alice.groups.all()) == [group]


def test_nobody_takes_his_own_roles_away(office, root):
    save(office, root, is_superuser="", is_active="", is_staff="")
    root.refresh_from_db()
    assert (root.is_superuser, root.is_active, root.is_staff) == (True, True, True)


def test_a_helper_gives_no_roles(client, helper, alice):
    helpers = Group.objects.create(name="Helpers")
    helpers.permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    helper.groups.add(helpers)
    client.force_login(helper)
    assert save(client, alice, language="en").status_code == 302
    save(client, alice, is_superuser="on", is_moderator="on", groups=[helpers.pk])
    alice.refresh_from_db()
    assert (alice.is_superuser, alice.is_moderator, alice.groups.count()) == (False, False, 0)


def test_an_account_is_made_without_a_password_and_its_owner_sets_one(office):
    response = office.post(url(User, "add"), {"email": "New@Example.org", "is_active": "on"})
    assert response.status_code == 302
    made = User.objects.get(email="new@example.org")
    assert not made.has_usable_password()
    assert EmailAddress.objects.get(user=made).verified
    assert last_deed().action == "account.create"


@pytest.mark.parametrize("email", ["", "no address", "ROOT@example.org", "a\0@example.org"])
def test_a_bad_address_is_refused_beside_its_field(office, email):
    before = User.objects.count()
    assert office.post(url(User, "add"), {"email": email, "is_active": "on"}).status_code == 200
    assert User.objects.count() == before


def test_an_account_is_never_deleted(office, alice):
    assert office.post(url(User, "delete", alice.pk), {"post": "yes"}).status_code == 403


def test_there_is_no_form_for_other_peoples_passwords(office, alice):
    assert office.get(f"/admin/portal/user/{alice.pk}/password/").status_code in (302, 404)
    assert "password1" not in office.get(url(User, "add")).content.decode()


# Numbers, and the outbox ------------------------------------------------------------------------


def test_the_introduction_may_be_mended_and_nothing_else(office, number):
    wanted = {"introduction": "Mended.", "state": State.CLOSED, "name": "Taken over"}
    assert office.post(url(ServiceNumber, "change", number.pk), wanted).status_code == 302
    saved = ServiceNumber.objects.get(pk=number.pk)
    assert (saved.introduction, saved.state, saved.name) == ("Mended.", State.APPROVED, number.name)
    assert (last_deed().action, last_deed().actor_name) == ("number.edit", "root@example.org")


def test_what_is_in_review_holds_still(office, alice):
    number = factories.number(owner=alice, state=State.IN_REVIEW)
    response = office.post(url(ServiceNumber, "change", number.pk), {"introduction": "Other."})
    assert response.status_code == 403


def test_an_entry_is_carried_out_now(office):
    entry = outbox.add("test.topic")
    later = timezone.now() + timedelta(hours=1)
    OutboxEntry.objects.update(due_at=later)
    office.post(url(OutboxEntry), {"action": "make_due", "_selected_action": [entry.pk]})
    assert OutboxEntry.objects.due().get() == entry


# The call log -----------------------------------------------------------------------------------


def test_the_log_of_calls_is_searched_by_the_whole_request_id(office, number):
    wanted, other = factories.call(None), factories.call(number)
    found = office.get(url(Call), {"q": wanted.request_id}).content.decode()
    assert url(Call, "change", wanted.pk) in found
    assert url(Call, "change", other.pk) not in found


def test_of_a_long_log_the_newest_alone_are_counted(office, number, monkeypatch):
    monkeypatch.setattr(call_admin, "COUNTED_AT_MOST", 3)
    [factories.call(number) for _ in range(5)]
    assert "3 calls" in office.get(url(Call)).content.decode()
