"""Limits and prices, as an owner types them."""

from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bots import money
from bots.models import Budget

TOKENS_AT_MOST = 10**15
MONEY_AT_MOST = 10**9
PRICE_AT_MOST = 10**6


def _tokens(label: Any, help_text: Any) -> forms.IntegerField:
    return forms.IntegerField(
        label=label, help_text=help_text, min_value=0, max_value=TOKENS_AT_MOST, required=False
    )


def _money(label: Any, at_most: int, *, required: bool = False) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        min_value=0,
        max_value=at_most,
        decimal_places=6,
        required=required,
        widget=forms.NumberInput(attrs={"step": "any"}),
    )


class BudgetForm(forms.Form):
    """Empty is without a limit; `bots.budget_settings.save` writes it."""

    use_required_attribute = False
    tokens = _tokens(
        gettext_lazy("Tokens a month"),
        gettext_lazy("Of questions and answers together. Empty: no limit."),
    )
    micros = _money(gettext_lazy("Money a month"), MONEY_AT_MOST)
    person_asks = forms.IntegerField(
        label=gettext_lazy("Questions a day"), min_value=0, max_value=1_000_000, required=False
    )
    person_tokens = _tokens(
        gettext_lazy("Tokens a day"),
        gettext_lazy("Leave room for one long question and its answer, or nobody gets one."),
    )

    def __init__(self, budget: Budget, data: QueryDict | None = None) -> None:
        initial = {name: getattr(budget, name) for name in self.base_fields}
        if budget.micros is not None:
            initial["micros"] = money.micros(budget.micros)
        super().__init__(data, initial=initial)
        sentence = _("In %(currency)s, by the prices below. Empty: no limit.")
        self.fields["micros"].help_text = sentence % {"currency": settings.CURRENCY}
        sentence = _("The platform allows %(count)d at most.")
        allowed = {"count": settings.ASKS_PER_PERSON_AND_DAY}
        self.fields["person_asks"].help_text = sentence % allowed

    def wanted(self) -> dict[str, int | None]:
        """Call it on a valid form."""
        given = dict(self.cleaned_data)
        if given["micros"] is not None:
            given["micros"] = money.to_micros(given["micros"])
        return given


class PriceForm(forms.Form):
    """A model, and what a million of its tokens cost."""

    use_required_attribute = False
    model = forms.CharField(
        label=gettext_lazy("Model"),
        max_length=120,
        widget=forms.TextInput(
            attrs={"list": "models", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    input = _money(gettext_lazy("A million tokens of input"), PRICE_AT_MOST, required=True)
    output = _money(gettext_lazy("A million tokens of output"), PRICE_AT_MOST, required=True)

    def clean_model(self) -> str:
        model = str(self.cleaned_data["model"])
        if not model.isprintable():
            raise forms.ValidationError(_("The name holds invisible characters. Type it again."))
        return model

    def prices(self) -> tuple[int, int]:
        """In micro-units; call it on a valid form."""
        given: list[Decimal] = [self.cleaned_data[name] for name in ("input", "output")]
        return money.to_micros(given[0]), money.to_micros(given[1])
