"""Mail of an installation without a mail server: a file each, and told on the terminal."""

import os

import pytest
from django.core import mail
from django.core.mail import EmailMessage

from portal.mail import RULE, Teller


@pytest.fixture
def directory(settings, tmp_path):
    settings.EMAIL_BACKEND = "portal.mail.FileBackend"
    settings.EMAIL_FILE_PATH = tmp_path / "mail"
    return settings.EMAIL_FILE_PATH


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def teller(directory, said) -> Teller:
    return Teller(directory, said.append)


def send(subject: str = "确认邮箱", body: str = "链接：\n\nhttp://localhost/a\n") -> int:
    return EmailMessage(subject, body, "from@example.org", ["to@example.org"]).send()


def test_a_mail_is_a_file_that_can_be_read(directory):
    assert send() == 1
    (file,) = directory.iterdir()
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "To: to@example.org"
    assert lines[2] == "Subject: 确认邮箱"
    assert "http://localhost/a" in lines


def test_its_file_is_for_the_owner_alone(directory):
    send()
    (file,) = directory.iterdir()
    assert (directory.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)


def test_it_can_neither_steer_a_terminal_nor_forge_a_line(directory):
    message = EmailMessage("x", "a\x1b[2Jb\rc\x00", "f@example.org", ["t@example.org"])
    message.subject = "a\nTo: forged@example.org"
    message.send()
    text = next(directory.iterdir()).read_text(encoding="utf-8")
    assert text.splitlines()[2] == "Subject: a To: forged@example.org"
    assert "\x1b" not in text
    assert "\x00" not in text


def test_a_directory_that_cannot_be_written_is_an_error_that_callers_know(directory):
    directory.write_text("a file in its place")
    with pytest.raises(OSError, match="mail"):
        send()


def test_a_new_mail_is_told_once_between_two_lines(teller, said):
    send()
    assert [teller(), teller()] == [False, False]
    (told,) = said
    assert told.startswith(RULE)
    assert told.endswith(RULE)
    assert "http://localhost/a" in told


def test_mails_are_told_in_the_order_of_their_sending(teller, said):
    for number in range(5):
        send(subject=f"mail {number}")
    teller()
    assert [f"mail {number}" in text for number, text in enumerate(said)] == [True] * 5


def test_a_mail_that_comes_later_is_told_too(teller, said):
    send(subject="first")
    teller()
    send(subject="second")
    teller()
    assert ["second" in text for text in said] == [False, True]


def test_old_mail_is_not_told_again(directory, said):
    send()
    Teller(directory, said.append)()
    assert said == []


def test_a_directory_that_nothing_was_written_to_is_not_listed_again(teller, directory, said):
    send()
    long_ago = 1_000_000_000
    os.utime(directory, (long_ago, long_ago))
    teller()
    (directory / "unseen.txt").write_text("added behind its back")
    os.utime(directory, (long_ago, long_ago))
    teller()
    assert len(said) == 1


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.django_db
def test_the_mail_with_the_link_has_it_on_a_line_of_its_own(client, settings, language):
    entry = {"email": "new@example.org", "password1": "a long and winding road"}
    client.post("/accounts/signup/", entry, headers={"Accept-Language": language})
    (sent,) = mail.outbox
    links = [line for line in sent.body.splitlines() if "confirm-email" in line]
    assert len(links) == 1
    assert links[0].startswith(f"{settings.SITE_URL}/accounts/confirm-email/")
    assert "[" not in sent.subject
    assert "example.com" not in sent.body
