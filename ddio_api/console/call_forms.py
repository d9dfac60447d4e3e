"""Which calls a reader of the log wants to see."""

from datetime import timedelta

from django import forms
from django.core.validators import RegexValidator
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ddio_api import operations
from ddio_api.call_history import Filters
from ddio_api.models import Outcome

ANY = ("", _("any"))
PERIODS = {
    "hour": (_("last hour"), timedelta(hours=1)),
    "day": (_("last 24 hours"), timedelta(days=1)),
    "week": (_("last 7 days"), timedelta(days=7)),
}
_REQUEST_ID = RegexValidator(
    r"\A[A-Za-z0-9_-]{1,64}\Z",
    _("A request ID has letters, digits, - and _ alone. Copy it from X-Request-ID."),
)


def _operations() -> list[tuple[str, object]]:
    paths = operations.paths()
    return [ANY, *sorted(paths.items(), key=lambda named: named[1])]


class CallFilterForm(forms.Form):
    request_id = forms.CharField(
        label=_("Request ID"),
        required=False,
        validators=[_REQUEST_ID],
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    operation = forms.ChoiceField(label=_("Operation"), choices=_operations, required=False)
    outcome = forms.ChoiceField(label=_("Outcome"), choices=[ANY, *Outcome.choices], required=False)
    period = forms.ChoiceField(
        label=_("Time"),
        choices=[ANY, *((name, words) for name, (words, _span) in PERIODS.items())],
        required=False,
    )

    def filters(self) -> Filters:
        """Call it on a valid form."""
        given = self.cleaned_data
        span = PERIODS[given["period"]][1] if given["period"] else None
        return Filters(
            request_id=given["request_id"],
            operation=given["operation"],
            outcome=given["outcome"],
            since=timezone.now() - span if span else None,
        )

    def given(self) -> dict[str, str]:
        """What was filled in."""
        return {name: value for name, value in self.cleaned_data.items() if value}
