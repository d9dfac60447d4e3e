"""django-allauth's hooks: our limits, our addresses in mails, our words.

A method of allauth's that is left alone here is right as it is.
"""

from ipaddress import IPv6Address
from typing import Any, ClassVar

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from portal import passwords
from portal.login_limits import Attempt
from portal.models import User
from portal.networks import network_of
from portal.rate_pages import too_many

EMAIL_LENGTH_AT_MOST = 254  # RFC 5321, and the column's
NO_ADDRESS = str(IPv6Address(0))  # of a client on a Unix socket

log = structlog.get_logger(__name__)


class AccountAdapter(DefaultAccountAdapter):
    error_messages: ClassVar[dict[str, Any]] = DefaultAccountAdapter.error_messages | {
        "account_inactive": _("This account is switched off. The site's administrators know why."),
        "duplicate_email": _("This is your address already."),
        "email_password_mismatch": _(
            "This email address and this password do not belong together. Check both."
        ),
        "enter_current_password": _("This is not your current password."),
        "incorrect_password": _("This is not your password."),
        "rate_limited": _("That was too often. Wait five minutes; nothing is lost."),
        "same_as_current": _("This is your address already."),
        "too_many_login_attempts": _(
            "There were too many wrong codes. Wait five minutes; nothing is lost."
        ),
    }

    # Who asks, and how often -------------------------------------------------------------------

    def get_client_ip(self, request: HttpRequest) -> str:
        """What the bridge settled; forwarding headers are its business alone.

        Of IPv6 the /64, by which allauth's limits then count. Without the zone of a link-local
        address, which PostgreSQL's inet refuses.
        """
        address = str(request.META.get("REMOTE_ADDR", "")).partition("%")[0] or NO_ADDRESS
        return network_of(address).partition("/")[0]

    def is_safe_url(self, url: str) -> bool:
        """allauth's own, for which what is no URL at all is an error."""
        try:
            return bool(super().is_safe_url(url))
        except ValueError:
            return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Nothing: allauth would count by account, see `authenticate`."""

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        attempt = Attempt(credentials.get("email", ""), self.get_client_ip(request))
        wait = attempt.count()
        if wait:
            raise ImmediateHttpResponse(too_many(request, wait))
        with passwords.turn(request, refused=attempt.give_back):
            user: User | None = super().authenticate(request, **credentials)
        if user:
            attempt.give_back()
        return user

    # Accounts ----------------------------------------------------------------------------------

    def new_user(self, request: HttpRequest) -> User:
        return User(language=get_language() or "")

    def save_user(
        self, request: HttpRequest, user: User, form: forms.Form, commit: bool = True
    ) -> User:
        with passwords.turn(request):
            super().save_user(request, user, form, commit=False)
        if commit:
            with transaction.atomic():  # the address may be taken by now
                user.save()
        return user

    def set_password(self, user: User, password: str) -> None:
        with passwords.turn(self.request):
            user.set_password(password)
        user.save()

    def clean_email(self, email: str) -> str:
        if len(email) > EMAIL_LENGTH_AT_MOST:
            raise ValidationError(_("An email address has at most 254 characters."))
        return email

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """False as well where somebody else took the address between the mail and the click."""
        try:
            with transaction.atomic():
                return bool(super().confirm_email(request, email_address))
        except IntegrityError:
            template = "account/messages/email_confirmation_failed.txt"
            shown = {"email": email_address.email}
            self.add_message(request, messages.ERROR, template, shown)
            return False

    # Mail --------------------------------------------------------------------------------------

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        return settings.SITE_URL + reverse("account_confirm_email", args=[emailconfirmation.key])

    def get_reset_password_from_key_url(self, key: str) -> str:
        uid, _dash, token = key.partition("-")
        route = {"uidb36": uid, "key": token}
        return settings.SITE_URL + reverse("account_reset_password_from_key", kwargs=route)

    def render_mail(
        self,
        template_prefix: str,
        email: str | list[str],
        context: dict[str, Any],
        headers: dict[str, str] | None = None,
    ) -> EmailMessage:
        """Links in mails lead to SITE_URL, whatever Host the request named."""
        shown = context | {"site_url": settings.SITE_URL}
        message: EmailMessage = super().render_mail(template_prefix, email, shown, headers)
        return message

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """A mail server that is away takes nothing down; the next page says that it is."""
        try:
            super().send_mail(template_prefix, email, context)
        except OSError as error:  # smtplib's exceptions are among them
            log.warning("mail_not_sent", mail=template_prefix, error=type(error).__name__)
            self.request.session["mail_unsent"] = True
        else:
            self.request.session.pop("mail_unsent", None)

    def add_message(
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        message_context: dict[str, Any] | None = None,
        extra_tags: str = "",
        message: str | None = None,
    ) -> None:
        is_about_mail = message_template == "account/messages/email_confirmation_sent.txt"
        if is_about_mail and request.session.get("mail_unsent"):
            level, message_template = messages.ERROR, "account/messages/email_not_sent.txt"
        super().add_message(request, level, message_template, message_context, extra_tags, message)
