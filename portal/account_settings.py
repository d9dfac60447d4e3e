"""How people sign in, by django-allauth: settings that are the same in every installation."""

AUTH_USER_MODEL = "portal.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_ADAPTER = "portal.account_adapter.AccountAdapter"
ACCOUNT_CHANGE_EMAIL = True  # one address an account; a new one replaces it when confirmed
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True  # in the browser that signed up, nowhere else
ACCOUNT_REAUTHENTICATION_REQUIRED = True
# Wrong passwords are counted in portal.login_limits. This is for second factors alone, which only
# somebody who knows the password comes to: so the limit by account locks no victim out.
ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,10/5m/key"}
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "console"
ACCOUNT_FORMS = {
    "login": "portal.forms.LoginForm",
    "signup": "portal.forms.SignupForm",
    "add_email": "portal.forms.AddEmailForm",
    "change_password": "portal.forms.ChangePasswordForm",
    "set_password": "portal.forms.SetPasswordForm",
    "reset_password": "portal.forms.ResetPasswordForm",
    "reset_password_from_key": "portal.forms.ResetPasswordKeyForm",
    "reauthenticate": "portal.forms.ReauthenticateForm",
}
MFA_ADAPTER = "portal.second_factor.Adapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_FORMS = {
    "authenticate": "portal.forms.SecondFactorForm",
    "reauthenticate": "portal.forms.SecondFactorAgainForm",
    "activate_totp": "portal.forms.ActivateTotpForm",
}
MFA_TOTP_ISSUER = "Fuwuhao"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "portal.passwords.LengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
