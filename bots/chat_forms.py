"""What a person may send to the chat page."""

from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from bots.chat import QUESTION_LENGTH_AT_MOST, UNSTORABLE
from bots.models import Rating
from bots.ratings import COMMENT_LENGTH_AT_MOST
from portal.fields import LinesField

_TOO_LONG = _("This message has %(show_value)s characters; %(limit_value)s fit. Shorten it.")


class Text(LinesField):
    """Text exactly as it was typed; too long is said by us, never cut in silence."""

    def __init__(self, *, at_most: int, **kwargs: Any) -> None:
        super().__init__(strip=False, **kwargs)
        self.at_most = at_most

    def validate(self, value: str) -> None:
        if self.required and not value.strip():
            raise forms.ValidationError(_("Type a message first."), "required")
        if len(value) > self.at_most:
            sizes = {"show_value": len(value), "limit_value": self.at_most}
            raise forms.ValidationError(_TOO_LONG, "too_long", sizes)
        if UNSTORABLE.search(value):
            raise forms.ValidationError(
                _("The message holds a character that cannot be stored. Remove it."), "unstorable"
            )


class AskForm(forms.Form):
    """`key` is random for each question: sent twice with the same key, it is asked once."""

    message = Text(
        label=_("Message"),
        at_most=QUESTION_LENGTH_AT_MOST,
        widget=forms.Textarea(attrs={"rows": 1, "autocomplete": "off", "enterkeyhint": "send"}),
    )
    conversation = forms.CharField(required=False, widget=forms.HiddenInput, max_length=40)
    key = forms.CharField(
        required=False,
        widget=forms.HiddenInput,
        validators=[RegexValidator("^[A-Za-z0-9_-]{8,64}$")],
    )
    seed = forms.CharField(required=False, widget=forms.HiddenInput, max_length=200)


class RatingForm(forms.Form):
    rating = forms.ChoiceField(choices=[("", ""), *Rating.choices], required=False)
    comment = Text(
        label=_("What was wrong with it?"),
        required=False,
        at_most=COMMENT_LENGTH_AT_MOST,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
