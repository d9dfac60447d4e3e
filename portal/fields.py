"""Kinds of input that several forms share."""

from typing import Any

from django import forms


class LinesField(forms.CharField):
    """Text of several lines. Browsers count a line break as one character and send it as two:
    it is counted and kept as typed. Nor do they say what `maxlength` cut off: too long is an
    error, with the text kept.
    """

    widget = forms.Textarea

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        attrs: dict[str, Any] = super().widget_attrs(widget)
        attrs.pop("maxlength", None)
        return attrs

    def to_python(self, value: Any) -> str:
        text = str(super().to_python(value) or "")
        return text.replace("\r\n", "\n").replace("\r", "\n")
