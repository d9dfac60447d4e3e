"""Notices and mails of decisions: to whom, in which words, once, whatever fails meanwhile."""

import smtplib
from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from portal import moderation, notices, outbox
from portal.models import Notice, OutboxEntry, ServiceNumber, State, User
from tests import factories

PAGE = "/console/notices/"


def move(number: ServiceNumber, transition: moderation.Transition, reason: str = "") -> None:
    moderation.move(number, transition, actor=None, reason=reason)


def deliver() -> None:
    outbox.deliver()
    outbox.deliver_slowly()


def again(topic: str) -> None:
    """At least once: the entry is carried out again, as after a worker that died."""
    OutboxEntry.objects.filter(topic=topic).update(done_at=None, due_at=timezone.now())
    deliver()


@pytest.fixture
def waiting(alice: User) -> ServiceNumber:
    return factories.number("Weather robot", owner=alice, state=State.IN_REVIEW)


@pytest.fixture
def told(waiting: ServiceNumber) -> Notice:
    move(waiting, moderation.REJECT, "No imprint.")
    deliver()
    return Notice.objects.get()


# Telling ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "transition", "subject", "path"),
    [
        (State.IN_REVIEW, moderation.APPROVE, "“Robot” was approved", ""),
        (State.IN_REVIEW, moderation.REJECT, "“Robot” was rejected", "profile/"),
        (State.APPROVED, moderation.SUSPEND, "“Robot” was suspended", ""),
        (State.SUSPENDED, moderation.REINSTATE, "“Robot” was reinstated", ""),
    ],
)
def test_the_owner_gets_a_notice_and_a_mail(alice, settings, before, transition, subject, path):
    number = factories.number("Robot", owner=alice, state=before)
    move(number, transition, "Because.")
    deliver()
    notice = Notice.objects.get()
    assert (notice.user, notice.kind, notice.reason) == (alice, transition.action, "Because.")
    [sent] = mail.outbox
    assert (sent.to, sent.subject) == (["alice@example.org"], subject)
    assert "Because." in sent.body
    assert f"{settings.SITE_URL}/console/numbers/{number.app_id}/{path}\n" in sent.body


def test_the_mail_is_in_the_readers_language_and_plain_text(waiting, alice):
    User.objects.filter(pk=alice.pk).update(language="zh-hans")
    move(waiting, moderation.REJECT, "A & B <i>")
    deliver()
    assert "A & B <i>" in mail.outbox[0].body
    with translation.override("zh-hans"):
        subject = str(notices.WORDS["reject"].subject) % {"name": "Weather robot"}
    assert mail.outbox[0].subject == subject


def test_moderators_are_told_what_waits_and_the_owner_is_not(alice, moderator):
    User.objects.filter(pk=alice.pk).update(is_moderator=True)
    factories.user("asleep@example.org", is_moderator=True, is_active=False)
    number = factories.number("Weather robot", owner=alice, state=State.DRAFT)
    move(number, moderation.SUBMIT)
    deliver()
    assert [each.to for each in mail.outbox] == [["moderator@example.org"]]
    assert f"/review/{number.app_id}/" in mail.outbox[0].body
    assert not Notice.objects.exists()


def test_moderators_are_not_told_of_what_waits_no_more(alice, moderator):
    number = factories.number(owner=alice, state=State.DRAFT)
    move(number, moderation.SUBMIT)
    outbox.deliver()
    move(number, moderation.WITHDRAW)
    deliver()
    assert mail.outbox == []


@pytest.mark.parametrize(
    ("before", "transition"),
    [(State.IN_REVIEW, moderation.WITHDRAW), (State.APPROVED, moderation.CLOSE)],
)
def test_nobody_is_told_of_what_the_owner_did_himself(alice, moderator, before, transition):
    move(factories.number(owner=alice, state=before), transition)
    deliver()
    assert (mail.outbox, Notice.objects.count()) == ([], 0)


@pytest.mark.parametrize(
    "fields", [{"email": "demo@fuwuhao.invalid"}, {"email": "off@example.org", "is_active": False}]
)
def test_an_address_that_reaches_nobody_gets_no_mail(db, fields):
    number = factories.number(owner=factories.user(**fields), state=State.IN_REVIEW)
    move(number, moderation.APPROVE)
    deliver()
    assert (mail.outbox, Notice.objects.count()) == ([], 1)


@pytest.mark.parametrize("topic", [moderation.STATE_CHANGED])
def test_a_repeated_consequence_tells_once(told, topic):
    again(topic)
    assert (Notice.objects.count(), len(mail.outbox)) == (1, 1)


def test_a_repeated_mail_repeats_itself_alone(told):
    again(notices.MAIL)
    assert (Notice.objects.count(), len(mail.outbox)) == (1, 2)
    again(moderation.STATE_CHANGED)
    assert len(mail.outbox) == 2


def test_a_repeated_submission_tells_moderators_once(alice, moderator):
    move(factories.number(owner=alice, state=State.DRAFT), moderation.SUBMIT)
    deliver()
    again(moderation.STATE_CHANGED)
    assert len(mail.outbox) == 1


def test_two_decisions_are_two_notices(told, waiting):
    move(waiting, moderation.SUBMIT)
    move(waiting, moderation.REJECT, "Still no imprint.")
    deliver()
    assert (Notice.objects.count(), len(mail.outbox)) == (2, 2)


# A mail server that fails -----------------------------------------------------------------------


class Failing(EmailBackend):
    """A server that is away, or does not take a recipient."""

    error: OSError = ConnectionRefusedError()

    def send_messages(self, messages):
        raise self.error


@pytest.fixture
def mail_server(settings, monkeypatch):
    settings.EMAIL_BACKEND = f"{__name__}.Failing"
    return lambda error: monkeypatch.setattr(Failing, "error", error)


def undone() -> int:
    return OutboxEntry.objects.filter(done_at=None).count()


REFUSED_FOR_NOW = smtplib.SMTPRecipientsRefused({"a": (451, b"later")})
REFUSED = smtplib.SMTPRecipientsRefused({"a": (550, b"no such user")})
MISTAKES_OF_OURS = [
    smtplib.SMTPAuthenticationError(535, b"bad password"),
    smtplib.SMTPSenderRefused(550, b"not yours", "a"),
]


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        TimeoutError(),
        smtplib.SMTPDataError(451, b""),
        REFUSED_FOR_NOW,
        *MISTAKES_OF_OURS,
    ],
)
def test_a_server_that_is_away_gets_the_mail_later_and_the_notice_is_there(
    waiting, settings, mail_server, error
):
    mail_server(error)
    move(waiting, moderation.APPROVE)
    deliver()
    assert (Notice.objects.count(), undone()) == (1, 1)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    OutboxEntry.objects.update(due_at=timezone.now())
    deliver()
    assert (len(mail.outbox), undone()) == (1, 0)


@pytest.mark.parametrize("error", [REFUSED, smtplib.SMTPDataError(554, b"spam")])
def test_what_the_server_refuses_for_good_is_given_up(waiting, mail_server, error):
    mail_server(error)
    move(waiting, moderation.APPROVE)
    deliver()
    assert undone() == 0


def test_one_failing_mail_does_not_repeat_the_others(alice, moderator, monkeypatch):
    factories.user("second@example.org", is_moderator=True)
    move(factories.number(owner=alice, state=State.DRAFT), moderation.SUBMIT)
    outbox.deliver()
    OutboxEntry.objects.filter(topic=notices.MAIL).update(due_at=timezone.now())
    first = OutboxEntry.objects.filter(topic=notices.MAIL).order_by("pk")[0]
    OutboxEntry.objects.filter(pk=first.pk).update(payload={"user": "nonsense"})
    deliver()
    deliver()
    assert [each.to for each in mail.outbox] == [["second@example.org"]]


def test_a_mail_of_days_ago_is_given_up(waiting, mail_server):
    move(waiting, moderation.APPROVE)
    deliver()
    entry = OutboxEntry.objects.get(topic=notices.MAIL)
    old = (timezone.now() - timedelta(days=4)).isoformat()
    OutboxEntry.objects.filter(pk=entry.pk).update(
        payload=entry.payload | {"at": old}, due_at=timezone.now()
    )
    deliver()
    assert undone() == 0


def test_the_sweepers_hand_mails_on_instead_of_waiting_for_the_server(waiting, mail_server, nudged):
    move(waiting, moderation.APPROVE)
    assert outbox.deliver() == 1
    assert outbox.deliver() == 0
    assert (outbox.DELIVER_SLOWLY,) in nudged
    assert OutboxEntry.objects.get(topic=notices.MAIL).attempts == 0


def test_one_thread_of_a_process_waits_for_the_mail_server(waiting):
    move(waiting, moderation.APPROVE)
    outbox.deliver()
    with outbox._slow_turn:
        assert outbox.deliver_slowly() == 0
    assert outbox.deliver_slowly() == 1


def test_a_number_or_person_that_is_gone_is_let_go(waiting, alice):
    move(waiting, moderation.APPROVE)
    outbox.deliver()
    ServiceNumber.objects.all().delete()
    alice.delete()
    assert (outbox.deliver_slowly(), mail.outbox) == (1, [])


# The page ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), [("get", PAGE), ("post", PAGE + "read/")])
def test_it_sends_strangers_to_the_login(client, db, method, path):
    response = getattr(client, method)(path)
    assert response.status_code == 302
    assert response.url.startswith("/accounts/login/")


@pytest.mark.parametrize(("method", "path"), [("post", PAGE), ("get", PAGE + "read/")])
def test_it_refuses_other_methods(client, alice, method, path):
    client.force_login(alice)
    assert getattr(client, method)(path).status_code == 405


def text_for(client: Client, user: User, path: str = PAGE) -> str:
    client.force_login(user)
    return client.get(path).content.decode()


def test_it_shows_what_was_decided_and_what_to_do(client, alice, told):
    text = text_for(client, alice)
    assert "“Weather robot” was rejected" in text
    assert "No imprint." in text
    assert "Mend what the reason names" in text
    assert f"/console/numbers/{told.number.app_id}/profile/" in text


def test_charlie_sees_nothing_of_it(client, charlie, told):
    text = text_for(client, charlie)
    assert "No notices yet." in text
    assert "Weather robot" not in text


def test_the_bell_counts_what_is_unread_on_every_page(client, alice, told):
    text = text_for(client, alice, "/")
    assert 'href="/console/notices/"' in text
    assert '>1<span class="visually-hidden"> unread</span>' in text


def test_reading_them_all_empties_the_bell_and_keeps_them(client, alice, told):
    client.force_login(alice)
    assert client.post(PAGE + "read/").url == PAGE
    assert not Notice.objects.unread().exists()
    text = text_for(client, alice)
    assert "“Weather robot” was rejected" in text
    assert "unread" not in text


def test_charlie_cannot_read_them_away(client, charlie, told):
    client.force_login(charlie)
    client.post(PAGE + "read/")
    assert Notice.objects.unread().count() == 1


def test_what_came_after_the_page_was_shown_stays_unread(client, alice, told):
    later = Notice.objects.create(user=alice, number=told.number, kind="approve", at=timezone.now())
    client.force_login(alice)
    client.post(PAGE + "read/", {"newest": told.pk})
    assert Notice.objects.unread().get() == later


@pytest.mark.parametrize("place", ["-1", "x", "9" * 19, "9" * 40, "\0", "１", ""])
def test_a_bad_place_does_no_harm(client, alice, told, place):
    client.force_login(alice)
    assert client.get(PAGE, {"before": place}).status_code == 200
    assert client.get(PAGE, {"before": told.pk, "newest": place}).status_code == 200
    assert client.post(PAGE + "read/", {"newest": place}).status_code == 302


def notices_of(user: User, number: ServiceNumber, count: int) -> None:
    now = timezone.now()
    Notice.objects.bulk_create(
        Notice(
            user=user,
            number=number,
            kind="approve",
            reason=f"No. {nth};",
            at=now + timedelta(seconds=nth),
        )
        for nth in range(count)
    )


def test_the_latest_decision_stands_first_in_whatever_order_they_were_carried_out(
    client, alice, number
):
    now = timezone.now()
    for reason, at in [("Later;", now), ("Earlier;", now - timedelta(hours=1))]:
        Notice.objects.create(user=alice, number=number, kind="approve", reason=reason, at=at)
    text = text_for(client, alice)
    assert text.index("Later;") < text.index("Earlier;")


def test_a_place_of_somebody_elses_is_none(client, charlie, told):
    client.force_login(charlie)
    assert client.get(PAGE, {"before": told.pk}).status_code == 200


def test_it_turns_pages_from_the_newest_on(client, alice, number):
    notices_of(alice, number, 60)
    client.force_login(alice)
    first = client.get(PAGE)
    second = client.get(PAGE, {"before": first.context["older"]}).content.decode()
    assert "No. 59;" in first.content.decode()
    assert "No. 9;" not in first.content.decode()
    assert "No. 9;" in second
    assert "No. 10;" not in second


def test_reading_them_all_from_an_older_page_spares_what_came_after_the_first(
    client, alice, number
):
    notices_of(alice, number, 60)
    client.force_login(alice)
    first = client.get(PAGE)
    later = Notice.objects.create(user=alice, number=number, kind="reject", at=timezone.now())
    link = f"?before={first.context['older']}&amp;newest={first.context['newest']}"
    assert link in first.content.decode()
    second = client.get(PAGE + link.replace("&amp;", "&")).content.decode()
    assert f'name="newest" value="{first.context["newest"]}"' in second
    client.post(PAGE + "read/", {"newest": first.context["newest"]})
    assert Notice.objects.unread().get() == later


def test_more_notices_take_no_more_queries(client, alice, number):
    counts = []
    client.force_login(alice)
    for _round in range(2):
        notices_of(alice, number, 5)
        with CaptureQueriesContext(connection) as seen:
            client.get(PAGE)
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_an_approval_says_who_may_chat(number):
    mail = notices.compose(number.owner, number, moderation.APPROVE.action, "")
    assert "Everybody who has an account and its link" in " ".join(mail.body.split())
