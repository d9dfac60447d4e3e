"""Raw upkeep of accounts and numbers. Nothing here shows a secret, a digest or a session key.

States change through the review desk alone, and every change of a role is on the audit trail.
"""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa import admin as mfa_admin
from allauth.mfa.models import Authenticator
from allauth.usersessions import admin as usersessions_admin
from allauth.usersessions.models import UserSession
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal import accounts, audit, numbers
from portal.access import user_of
from portal.models import AppSecret, AuditEntry, Notice, OutboxEntry, ServiceNumber, User

ROLES = ("is_active", "is_moderator", "is_staff", "is_superuser")

# allauth's own show a second factor's data, and search by a user name that nobody has.
admin.site.site_header = admin.site.site_title = gettext_lazy("Administration")
admin.site.unregister((mfa_admin.Authenticator, usersessions_admin.UserSession))


class Admin(admin.ModelAdmin):
    """Subclasses name their `fields`: a column that is added later is not shown by itself."""

    show_full_result_count = False
    ordering = ("-pk",)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        try:
            return super().get_object(request, object_id, from_field)
        except OverflowError:  # SQLite's, for a number that no column can hold
            return None


class ReadOnlyAdmin(Admin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class UserForm(forms.ModelForm):
    language = forms.ChoiceField(
        label=gettext_lazy("language"), choices=[("", "–"), *settings.LANGUAGES], required=False
    )

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


@admin.register(User)
class UserAdmin(Admin):
    """Only an administrator gives and takes roles, and nobody his own: one always stays."""

    form = UserForm
    list_display = ("email", *ROLES, "last_login")
    list_filter = ROLES
    search_fields = ("email",)
    filter_horizontal = ("groups",)
    fields = ("email", *ROLES, "groups", "language", "password_is", "last_login", "date_joined")

    @admin.display(description=gettext_lazy("password"))
    def password_is(self, user: User) -> str:
        return _("set") if user.has_usable_password() else _("not set")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        fixed = ("password_is", "last_login", "date_joined", *(("email",) if obj else ()))
        may_give = user_of(request).is_superuser and obj != request.user
        return fixed if may_give else (*fixed, *ROLES, "groups")

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False  # whoever is switched off keeps his numbers, and the audit trail its names

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if change:
            self._change(request, obj, form)
        else:
            self._create(request, obj)

    @staticmethod
    def _create(request: HttpRequest, user: User) -> None:
        """Without a password: its owner sets one by the mail of “Forgot your password?”."""
        user.set_unusable_password()
        user.save()
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
        roles = {name: getattr(user, name) for name in ROLES}
        audit.record("account.create", actor=user_of(request), account=user.email, **roles)

    @staticmethod
    def _change(request: HttpRequest, user: User, form: Any) -> None:
        """Write what was changed, nothing else; whoever loses a role is signed out everywhere."""
        # Without the key: two who change each other's roles both write the other's name as actor.
        before = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        user.save(update_fields=[name for name in form.changed_data if name != "groups"])
        changes: dict[str, list[Any]] = {
            name: [getattr(before, name), getattr(user, name)]
            for name in ROLES
            if getattr(before, name) != getattr(user, name)
        }
        if "groups" in form.changed_data:
            here = sorted(before.groups.values_list("name", flat=True))
            changes["groups"] = [here, sorted(group.name for group in form.cleaned_data["groups"])]
        if not changes:
            return
        audit.record("account.role", actor=user_of(request), account=user.email, changes=changes)
        if any(_is_loss(old, new) for old, new in changes.values()):
            accounts.end_sessions(user)
            messages.info(request, _("All sessions of %(email)s are ended.") % {"email": user})


def _is_loss(old: Any, new: Any) -> bool:
    return bool(set(old) - set(new)) if isinstance(old, list) else bool(old and not new)


@admin.register(ServiceNumber)
class ServiceNumberAdmin(ReadOnlyAdmin):
    """The introduction may be mended here; the state is the review desk's."""

    list_display = ("name", "app_id", "owner", "state", "state_changed_at")
    list_filter = ("state",)
    list_select_related = ("owner",)
    search_fields = ("name", "=app_id", "=handle", "owner__email")
    readonly_fields = (
        "app_id",
        "owner",
        "name",
        "handle",
        "category",
        "state",
        "state_reason",
        "state_changed_at",
        "created_at",
    )
    fields = (*readonly_fields[:5], "introduction", *readonly_fields[5:])

    def has_change_permission(self, request: HttpRequest, obj: ServiceNumber | None = None) -> bool:
        allowed = admin.ModelAdmin.has_change_permission(self, request, obj)
        return allowed and (obj is None or "introduction" in numbers.editable(obj))

    def save_model(self, request: HttpRequest, obj: ServiceNumber, form: Any, change: bool) -> None:
        wanted = {"introduction": form.cleaned_data["introduction"]}
        try:
            numbers.edit(obj, wanted, actor=user_of(request))
        except numbers.EditRefused as error:
            raise PermissionDenied(str(error)) from error


@admin.register(AppSecret)
class AppSecretAdmin(ReadOnlyAdmin):
    list_display = ("number", "generation", "created_at", "last_used_at", "revoked_at")
    list_select_related = ("number",)
    search_fields = ("=number__app_id",)
    fields = (
        "number",
        "generation",
        "created_at",
        "last_used_at",
        "expires_at",
        "frozen_at",
        "revoked_at",
    )


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "actor_name", "action", "number")
    list_select_related = ("number",)
    search_fields = ("actor_name", "=action", "=number__app_id", "=request_id")
    fields = ("at", "actor_name", "action", "number", "details", "request_id")


@admin.register(OutboxEntry)
class OutboxEntryAdmin(ReadOnlyAdmin):
    list_display = ("topic", "created_at", "due_at", "attempts", "done_at")
    list_filter = ("topic", ("done_at", admin.EmptyFieldListFilter))
    fields = ("topic", "payload", "created_at", "due_at", "attempts", "done_at")
    actions = ("make_due",)

    def has_deliver_permission(self, request: HttpRequest) -> bool:
        return user_of(request).is_superuser

    @admin.action(permissions=["deliver"], description=gettext_lazy("Carry out now"))
    def make_due(self, request: HttpRequest, entries: QuerySet[OutboxEntry]) -> None:
        entries.filter(done_at=None).update(due_at=timezone.now())
        messages.success(request, _("A worker carries them out within seconds."))


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin):
    list_display = ("user", "number", "kind", "at", "read_at")
    list_select_related = ("user", "number")
    search_fields = ("user__email", "=number__app_id")
    fields = ("user", "number", "kind", "reason", "at", "read_at")


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnlyAdmin):
    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    list_select_related = ("user",)
    search_fields = ("user__email",)
    fields = list_display


@admin.register(UserSession)
class UserSessionAdmin(ReadOnlyAdmin):
    list_display = ("user", "created_at", "last_seen_at", "ip", "user_agent")
    list_select_related = ("user",)
    search_fields = ("user__email", "=ip")
    fields = list_display
