"""How every form of the site looks: label above, help below, the error beside its field.

Named by FORM_RENDERER, so Django's, allauth's and our own forms get Tabler's classes alike.
"""

from typing import Any

from django.forms import BoundField, CheckboxInput, RadioSelect, Select, Widget
from django.forms.renderers import TemplatesSetting


class Field(BoundField):
    """A field whose widget carries Tabler's class, and says so where its value was refused."""

    def build_widget_attrs(
        self, attrs: dict[str, Any], widget: Widget | None = None
    ) -> dict[str, Any]:
        widget = widget or self.field.widget
        built = dict(super().build_widget_attrs(attrs, widget))
        if not widget.is_hidden:
            classes = [widget.attrs.get("class", ""), _class_of(widget)]
            if self.errors:
                classes.append("is-invalid")
            built["class"] = " ".join(filter(None, classes))
        return built

    @property
    def is_check(self) -> bool:
        return isinstance(self.field.widget, CheckboxInput)


def _class_of(widget: Widget) -> str:
    if isinstance(widget, CheckboxInput | RadioSelect):
        return "form-check-input"
    if isinstance(widget, Select):
        return "form-select"
    return "form-control"


class FormRenderer(TemplatesSetting):
    form_template_name = "forms/form.html"
    field_template_name = "forms/field.html"
    bound_field_class = Field
