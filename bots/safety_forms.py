"""What an owner tells the safety filter."""

from itertools import islice
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bots import safety_lists
from bots.safety_lists import CHARACTERS_AT_MOST, WORDS_AT_MOST
from portal.fields import LinesField

COMPLAINTS_AT_MOST = 5
WORD_SHOWN = 40


class WordsField(LinesField):
    """A word list as it is typed, of which every line can be looked for."""

    def clean(self, value: Any) -> str:
        text = str(super().clean(value))
        words = safety_lists.lines(text)
        if len(words) > WORDS_AT_MOST:
            sentence = _("At most %(count)d words, one a line; these are %(given)d.")
            values = {"count": WORDS_AT_MOST, "given": len(words)}
            raise forms.ValidationError(sentence % values)
        if complaints := list(islice(_complaints(words), COMPLAINTS_AT_MOST)):
            raise forms.ValidationError(complaints)
        return text


def _complaints(words: list[str]) -> Any:
    for word in words:
        try:
            safety_lists.check(word)
        except safety_lists.WordRefused as refusal:
            values = {"word": word[:WORD_SHOWN], "reason": refusal}
            yield _("“%(word)s” cannot be on the list: %(reason)s.") % values


class SafetyForm(forms.Form):
    """`save` lies in bots.safety_own, with the audit trail."""

    words = WordsField(
        label=gettext_lazy("Blocked words"),
        max_length=CHARACTERS_AT_MOST,
        required=False,
        help_text=gettext_lazy(
            "One a line; a line that begins with # is a remark. Large and small letters, full-width"
            " forms, accents and invisible characters make no difference. Chinese words match"
            " with signs in between, too (敏*感-词); Latin ones as whole words alone, and spelled"
            " out (b.a.d). Traditional and simplified characters want a line each."
        ),
        widget=forms.Textarea(attrs={"rows": 12, "spellcheck": "false", "autocomplete": "off"}),
    )
    moderated = forms.BooleanField(
        label=gettext_lazy("Have the provider moderate questions and answers"),
        required=False,
        help_text=gettext_lazy(
            "Where the provider offers it (POST /moderations), with the API key that answers. A"
            " question waits for it; an answer is looked at when it is whole, so people may have"
            " read it while it was written. Where the provider has no moderation or does not reply"
            " within five seconds, the words alone decide."
        ),
    )

    def __init__(self, words: str, *, moderated: bool, data: QueryDict | None = None) -> None:
        super().__init__(data, initial={"words": words, "moderated": moderated})
