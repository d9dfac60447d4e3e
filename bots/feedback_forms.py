"""Which feedback results a reader wants to see."""

from django import forms
from django.core.validators import RegexValidator
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy

from bots.feed import Filters
from bots.models import Rating, Status

ANY = ("", gettext_lazy("any"))
SETTLED = [Status.DONE, Status.FAILED, Status.CANCELLED]
OPEN_ID_LENGTH_AT_MOST = 64
# It comes back in a line for the shell: in a terminal a control character ends even a quotation.
PASTABLE = RegexValidator(
    r"[\x00-\x1f\x7f-\x9f]",
    gettext_lazy("An openID has no control characters."),
    inverse_match=True,
)


def _statuses() -> list[tuple[str, object]]:
    return [ANY, *((status.value, capfirst(status.label)) for status in SETTLED)]


class FilterForm(forms.Form):
    """The open interface's own filters, by its names."""

    status = forms.ChoiceField(label=gettext_lazy("Status"), choices=_statuses, required=False)
    rating = forms.ChoiceField(
        label=gettext_lazy("Rating"), choices=[ANY, *Rating.choices], required=False
    )
    openID = forms.CharField(  # noqa: N815  (the contract's name)
        label=gettext_lazy("Person (openID)"),
        max_length=OPEN_ID_LENGTH_AT_MOST,
        required=False,
        strip=False,
        validators=[PASTABLE],
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def filters(self) -> Filters:
        """Call it on a valid form."""
        given = self.cleaned_data
        return Filters(status=given["status"], rating=given["rating"], open_id=given["openID"])

    def given(self) -> dict[str, str]:
        """What was filled in, by the open interface's names."""
        return {name: value for name, value in self.cleaned_data.items() if value}
