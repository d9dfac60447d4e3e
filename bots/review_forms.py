"""What moderators send to the review desk."""

from typing import Any

from django import forms
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from bots.review import ALL
from portal import moderation
from portal.models import State

REASON_LENGTH_AT_MOST = 2_000
PAGES_AT_MOST = 10_000

DECISIONS = {
    each.action: each
    for each in (
        moderation.APPROVE,
        moderation.REJECT,
        moderation.SUSPEND,
        moderation.REINSTATE,
    )
}


class QueueForm(forms.Form):
    """Which numbers; what cannot be read counts as not given."""

    state = forms.ChoiceField(
        choices=[*State.choices, (ALL, _("all"))], required=False, widget=forms.HiddenInput
    )
    q = forms.CharField(label=_("Name, appId or owner's email"), max_length=100, required=False)
    page = forms.IntegerField(min_value=1, max_value=PAGES_AT_MOST, required=False)

    def wanted(self) -> tuple[str, str, int]:
        self.is_valid()
        given = self.cleaned_data
        return given.get("state") or State.IN_REVIEW, given.get("q", ""), given.get("page") or 1


class Rule(models.TextChoices):
    """What a decision may rest on. Stored in words, in front of the reason."""

    NAME = "name", _("Misleading name or picture")
    CONTENT = "content", _("Forbidden content")
    PRIVACY = "privacy", _("Privacy")
    ABUSE = "abuse", _("Abuse of a key or a model")
    OTHER = "other", _("Another rule")


class DecisionForm(forms.Form):
    """A decision with its reason; `seen` is the version of the number that the page showed."""

    use_required_attribute = False  # the same form approves, and needs no reason then

    decision = forms.ChoiceField(
        choices=[(action, action) for action in DECISIONS], widget=forms.HiddenInput
    )
    rule = forms.ChoiceField(
        label=_("Rule"), choices=[("", _("No rule named")), *Rule.choices], required=False
    )
    reason = forms.CharField(
        label=_("Reason"),
        max_length=REASON_LENGTH_AT_MOST,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_("The developer reads it. Needed to reject and to suspend."),
        error_messages={"required": _("Give a reason: the developer will read it.")},
    )
    seen = forms.IntegerField(
        min_value=0,
        max_value=models.BigAutoField.MAX_BIGINT,
        widget=forms.HiddenInput,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.is_bound:
            chosen = DECISIONS.get(self.data.get("decision", ""))
            self.fields["reason"].required = chosen is None or chosen.needs_reason

    @property
    def transition(self) -> moderation.Transition:
        return DECISIONS[self.cleaned_data["decision"]]

    @property
    def full_reason(self) -> str:
        """The rule's words, then the reason."""
        rule, reason = self.cleaned_data["rule"], self.cleaned_data["reason"]
        if not (rule and reason):
            return str(Rule(rule).label) if rule else str(reason)
        return gettext("%(rule)s: %(reason)s") % {"rule": Rule(rule).label, "reason": reason}
