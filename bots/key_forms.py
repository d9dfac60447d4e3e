"""What an owner types to bind an API key, and to change one."""

import re
from typing import Any

from django import forms
from django.conf import settings
from django.core.validators import RegexValidator
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bots import keys, outbound
from bots.models import ApiKey
from portal.models import ServiceNumber

DEFAULT_BASE_URL = "https://api.openai.com/v1"
BASE_URLS = [
    ("OpenAI", DEFAULT_BASE_URL),
    ("DeepSeek", "https://api.deepseek.com/v1"),
    ("Moonshot", "https://api.moonshot.cn/v1"),
    ("DashScope", "https://dashscope.aliyuncs.com/compatible-mode/v1"),
]
URL_LENGTH_AT_MOST = 500
KEY_LENGTH_AT_MOST = 500
PRIORITY_AT_MOST = 99
WEIGHT_AT_MOST = 100
PROVIDER = "provider"
KINDS: dict[str, str | Promise] = {
    PROVIDER: gettext_lazy("OpenAI-compatible provider"),
    keys.LOCAL: gettext_lazy("Built-in model"),
    keys.SANDBOX: gettext_lazy("Simulator (sandbox)"),
}
DESCRIPTIONS: dict[str, str | Promise] = {
    PROVIDER: gettext_lazy("A model at its base URL, with your API key."),
    keys.LOCAL: gettext_lazy(
        "A small demo model on this machine. It needs no key, speaks English and is often wrong."
    ),
    keys.SANDBOX: gettext_lazy(
        "No model at all: it answers, dawdles or breaks as you ask, for tests of your own system."
        " It needs no key, and is silent while any other key is bound."
    ),
}
_ENDPOINT = re.compile(r"/(chat/completions|completions|models|embeddings)/*$")

printable_key = RegexValidator(
    r"\A[\x21-\x7e]+\Z",
    gettext_lazy(
        "A space or a sign that no key has is in it. Copy the key from the provider again."
    ),
)


def offered_kinds() -> list[tuple[str, str | Promise]]:
    """What may be bound here, the usual one first."""
    is_on = {PROVIDER: True, keys.LOCAL: settings.LOCAL_MODEL, keys.SANDBOX: settings.SIMULATOR}
    return [(kind, label) for kind, label in KINDS.items() if is_on[kind]]


class BaseUrlField(forms.CharField):
    """A base URL that may be called, in the spelling in which it is kept."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            label=gettext_lazy("Base URL"),
            max_length=URL_LENGTH_AT_MOST,
            widget=forms.URLInput(
                attrs={"list": "base-urls", "autocomplete": "off", "spellcheck": "false"}
            ),
            **kwargs,
        )

    def clean(self, value: Any) -> str:
        base_url = str(super().clean(value)).rstrip("/")
        if not base_url:
            return ""
        if found := _ENDPOINT.search(base_url):
            sentence = _("Leave out %(path)s: the base URL ends before it.")
            raise forms.ValidationError(sentence % {"path": found[0]})
        try:
            outbound.check_url(base_url)
        except outbound.UrlRefused as error:
            raise forms.ValidationError(str(error)) from error
        return base_url


class KeyField(forms.CharField):
    """A key on its way in. Its widget never sends a value back to the page."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            label=gettext_lazy("API key"),
            max_length=KEY_LENGTH_AT_MOST,
            validators=[printable_key],
            widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
            **kwargs,
        )


class KeyForm(forms.Form):
    """A label, a base URL and a key, whose messages say when the key has to be typed again."""

    use_required_attribute = False
    label = forms.CharField(
        label=gettext_lazy("Label"),
        max_length=60,
        required=False,
        help_text=gettext_lazy("For you to tell your keys apart."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    base_url = BaseUrlField()
    api_key = KeyField()

    twin: ApiKey | None = None  # where this very key is bound already

    def __init__(self, number: ServiceNumber, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.number = number

    def refuse_twin(self, twin: ApiKey) -> None:
        self.twin = twin
        field = "kind" if twin.is_built_in else "api_key"
        sentence = _("This key is bound already: %(label)s.")
        self.add_error(field, sentence % {"label": twin})

    def say_what_is_lost(self) -> None:
        """After an error elsewhere the key field comes back empty, and says so."""
        if self.errors and "api_key" not in self.errors and self.cleaned_data.get("api_key"):
            self.add_error(
                "api_key", _("Type the key again: for its safety it is not sent back to this page.")
            )


class KindSelect(forms.RadioSelect):
    """Radio buttons, each with what it means below it."""

    template_name = "bots/key_kinds.html"

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = dict(super().create_option(name, value, *args, **kwargs))
        option["description"] = DESCRIPTIONS[str(value)]
        option["attrs"]["aria-describedby"] = f"{option['attrs']['id']}_description"
        return option


class BindForm(KeyForm):
    """Binding one more key, or a part of the platform."""

    kind = forms.ChoiceField(label=gettext_lazy("What answers"), required=False, widget=KindSelect)
    field_order = ["kind", "label", "base_url", "api_key"]

    def __init__(self, number: ServiceNumber, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("initial", {"base_url": DEFAULT_BASE_URL, "kind": PROVIDER})
        super().__init__(number, *args, **kwargs)
        kinds = offered_kinds()
        self.fields["kind"].choices = kinds  # type: ignore[attr-defined]
        if len(kinds) == 1:
            del self.fields["kind"]
        elif self.is_bound and self.data.get("kind") in dict(kinds[1:]):
            # Whatever stands in the two fields that are hidden then is nobody's business.
            for name in ("base_url", "api_key"):
                asked = self.fields[name]
                self.fields[name] = forms.CharField(
                    label=asked.label, required=False, widget=asked.widget
                )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("kind") in (keys.LOCAL, keys.SANDBOX):
            cleaned["base_url"], cleaned["api_key"] = cleaned["kind"], ""
        if not self.errors:
            twin = keys.twin_of(self.number, cleaned["base_url"], cleaned["api_key"])
            if twin:
                self.refuse_twin(twin)
        self.say_what_is_lost()
        return cleaned


class EditForm(KeyForm):
    """Changing a bound key. The key itself is only asked for where it is to change."""

    priority = forms.IntegerField(
        label=gettext_lazy("Priority"),
        min_value=0,
        max_value=PRIORITY_AT_MOST,
        help_text=gettext_lazy("Keys are tried in this order, the lowest number first."),
    )
    weight = forms.IntegerField(
        label=gettext_lazy("Weight"),
        min_value=1,
        max_value=WEIGHT_AT_MOST,
        help_text=gettext_lazy(
            "Among keys of the same priority: one of weight 3 is asked three times as often as one"
            " of weight 1."
        ),
    )
    api_key = KeyField(
        required=False,
        help_text=gettext_lazy(
            "Leave it empty to keep the present key. A new base URL needs the key again."
        ),
    )
    field_order = ["label", "priority", "weight", "base_url", "api_key"]

    def __init__(self, key: ApiKey, *args: Any, **kwargs: Any) -> None:
        kept = ("label", "priority", "weight", "base_url")
        initial = {name: getattr(key, name) for name in kept}
        super().__init__(key.number, *args, initial=initial, **kwargs)
        self.key = key
        if key.is_built_in:
            for name in ("priority", "weight", "base_url", "api_key"):
                del self.fields[name]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        is_moved = cleaned.get("base_url", self.key.base_url) != self.key.base_url
        if is_moved and not cleaned.get("api_key") and "api_key" not in self.errors:
            self.ask_for_key()
        self.say_what_is_lost()
        return cleaned

    def ask_for_key(self) -> None:
        self.add_error("api_key", _("Type the key again: it goes to a new address."))

    def wanted(self) -> keys.Edit:
        return keys.Edit(**self.cleaned_data)
