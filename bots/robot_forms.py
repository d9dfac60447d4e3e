"""What an owner tells the robot to be."""

from typing import Any

from django import forms
from django.conf import settings
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bots.chat import QUESTION_LENGTH_AT_MOST
from bots.chat_forms import Text
from bots.models.robots import NOTE_LENGTH_AT_MOST, Settings
from bots.robots import SUGGESTIONS_AT_MOST
from portal.fields import LinesField

SUGGESTION_LENGTH_AT_MOST = 120
TOKENS_AT_LEAST = 200
TOKENS_AT_MOST = 1_000_000
ADVANCED = ("temperature", "context_tokens", "answer_tokens")


class QuestionsField(LinesField):
    """Suggested questions: a list in the database, one a line in the page."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        lines = [" ".join(line.split()) for line in str(super().clean(value)).split("\n")]
        questions = list(dict.fromkeys(filter(None, lines)))
        if len(questions) > SUGGESTIONS_AT_MOST:
            sentence = _("At most %(count)d questions, one a line.")
            raise forms.ValidationError(sentence % {"count": SUGGESTIONS_AT_MOST})
        for question in questions:
            if len(question) > SUGGESTION_LENGTH_AT_MOST:
                sentence = _("This one is longer than %(count)d characters: %(start)s…")
                values = {"count": SUGGESTION_LENGTH_AT_MOST, "start": question[:30]}
                raise forms.ValidationError(sentence % values)
        return questions

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), self.to_python(data))


class RobotForm(forms.Form):
    """The robot's own fields, or its draft's; they are saved by bots.robots."""

    use_required_attribute = False
    model = forms.CharField(
        label=gettext_lazy("Model"),
        max_length=120,
        help_text=gettext_lazy("Choose one that your API keys list, or type its name."),
        widget=forms.TextInput(
            attrs={"list": "models", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    system_prompt = LinesField(
        label=gettext_lazy("System prompt"),
        max_length=20_000,
        required=False,
        help_text=gettext_lazy(
            "What the robot is told before every question. People do not see it."
        ),
        widget=forms.Textarea(attrs={"rows": 8}),
    )
    greeting = LinesField(
        label=gettext_lazy("Greeting"),
        max_length=2_000,
        required=False,
        help_text=gettext_lazy("What people read before their first question."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    suggested_questions = QuestionsField(
        label=gettext_lazy("Suggested questions"),
        max_length=1_000,
        required=False,
        help_text=gettext_lazy("Up to four, one a line. People ask them with one tap."),
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    guests_allowed = forms.BooleanField(
        label=gettext_lazy("Guests may chat"),
        required=False,
    )
    temperature = forms.FloatField(
        label=gettext_lazy("Temperature"),
        min_value=0,
        max_value=2,
        required=False,
        help_text=gettext_lazy("From 0 (the same answer each time) to 2. Empty: the model's own."),
        widget=forms.NumberInput(attrs={"step": "0.1"}),
    )
    context_tokens = forms.IntegerField(
        label=gettext_lazy("Context budget"),
        min_value=TOKENS_AT_LEAST,
        max_value=TOKENS_AT_MOST,
        help_text=gettext_lazy(
            "Tokens of the prompt and the conversation so far that are sent with a question. The"
            " oldest turns are left out first."
        ),
    )
    answer_tokens = forms.IntegerField(
        label=gettext_lazy("Answer budget"),
        min_value=1,
        max_value=TOKENS_AT_MOST,
        required=False,
        help_text=gettext_lazy("The most tokens that an answer may take. Empty: the model's own."),
    )

    note = forms.CharField(
        label=gettext_lazy("Note"),
        max_length=NOTE_LENGTH_AT_MOST,
        required=False,
        help_text=gettext_lazy("Why you change it: for the list of versions, which only you see."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, shown: Settings, data: QueryDict | None = None) -> None:
        initial = {name: getattr(shown, name, "") for name in self.base_fields}
        super().__init__(data, initial=initial)
        if shown._state.adding:  # noqa: SLF001  (documented)
            del self.fields["note"]  # of a first version nobody asks why
        sentence = _(
            "Anybody with the link may ask without an account, up to %(count)d questions a day"
            " each. Your API keys pay for it."
        )
        self.fields["guests_allowed"].help_text = sentence % {"count": settings.GUEST_ASKS_PER_DAY}

    @property
    def has_advanced_errors(self) -> bool:
        """Such an error must not hide in the part that is folded."""
        return any(name in self.errors for name in ADVANCED)

    @property
    def wanted(self) -> dict[str, Any]:
        """What is to be set of the robot."""
        return {name: value for name, value in self.cleaned_data.items() if name != "note"}

    @property
    def why(self) -> str:
        return str(self.cleaned_data.get("note", ""))

    def clean_model(self) -> str:
        model = str(self.cleaned_data["model"])
        if not model.isprintable():
            raise forms.ValidationError(_("The name holds invisible characters. Type it again."))
        return model


class TrialForm(forms.Form):
    """What both are asked: the live robot, and the draft beside it."""

    use_required_attribute = False
    message = Text(
        label=gettext_lazy("Question"),
        at_most=QUESTION_LENGTH_AT_MOST,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(self, data: QueryDict | None = None, *, asked: str = "") -> None:
        super().__init__(data, initial={"message": asked})
