"""The forms of an account: allauth's, in our words, and the first administrator's."""

from typing import Any, ClassVar

from allauth.account import forms as allauth_forms
from allauth.mfa.base import forms as factor_forms
from allauth.mfa.totp import forms as totp_forms
from django import forms
from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from portal import passwords
from portal.account_adapter import EMAIL_LENGTH_AT_MOST
from portal.models import User

CHOOSE_WELL = _("At least 8 characters, no common password, and not like your email address.")


class InOurWords(forms.Form):
    """Labels above the fields instead of placeholders in them, and one line on passwords."""

    labels: ClassVar[dict[str, Any]] = {
        "email": _("Email"),
        "login": _("Email"),
        "oldpassword": _("Current password"),
        "remember": _("Stay logged in on this device"),
        "code": _("Code"),
    }
    helps: ClassVar[dict[str, Any]] = {"password1": CHOOSE_WELL}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.widget.attrs.pop("placeholder", None)
            field.label = self.labels.get(name, field.label)
            field.help_text = self.helps.get(name, field.help_text)


class LoginForm(InOurWords, allauth_forms.LoginForm):
    pass


class SignupForm(InOurWords, allauth_forms.SignupForm):
    """allauth's own, which takes as long for a known address as for a new one."""

    account_already_exists: bool

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        if not self.account_already_exists:
            try:
                return self._save_as_allauth(request)
            except IntegrityError:  # somebody else signed up with it a moment ago
                self.account_already_exists = True
        else:
            with passwords.turn(request):
                make_password(self.cleaned_data["password1"])
        return self._save_as_allauth(request)

    def _save_as_allauth(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        saved: tuple[User | None, HttpResponse | None] = super().try_save(request)
        return saved


class NewPasswordTwice(InOurWords):
    labels = InOurWords.labels | {
        "password1": _("New password"),
        "password2": _("New password, again"),
    }


class ChangePasswordForm(NewPasswordTwice, allauth_forms.ChangePasswordForm):
    pass


class SetPasswordForm(NewPasswordTwice, allauth_forms.SetPasswordForm):
    pass


class ResetPasswordForm(InOurWords, allauth_forms.ResetPasswordForm):
    pass


class ResetPasswordKeyForm(NewPasswordTwice, allauth_forms.ResetPasswordKeyForm):
    pass


class AddEmailForm(InOurWords, allauth_forms.AddEmailForm):
    labels = InOurWords.labels | {"email": _("New email address")}


class ReauthenticateForm(InOurWords, allauth_forms.ReauthenticateForm):
    pass


class SecondFactorForm(InOurWords, factor_forms.AuthenticateForm):
    helps = {"code": _("Six digits from your authenticator app, or one of your recovery codes.")}


class SecondFactorAgainForm(InOurWords, factor_forms.ReauthenticateForm):
    helps = SecondFactorForm.helps


class ActivateTotpForm(InOurWords, totp_forms.ActivateTOTPForm):
    helps = {"code": _("The six digits that the app shows for this site.")}


class FirstAdministratorForm(forms.Form):
    """The email address and password of the first administrator."""

    email = forms.EmailField(
        label=_("Email"),
        max_length=EMAIL_LENGTH_AT_MOST,
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=128,
        strip=False,
        help_text=CHOOSE_WELL,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"]).lower()
        if User.objects.filter(email=email).exists():
            raise forms.ValidationError(_("There is an account with this address already."))
        return email

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if "password" in cleaned:
            try:
                validate_password(cleaned["password"], User(email=cleaned.get("email", "")))
            except forms.ValidationError as error:
                self.add_error("password", error)
        return cleaned
