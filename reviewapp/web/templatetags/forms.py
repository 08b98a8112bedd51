"""Renders Django form fields in Tabler's classes."""

from django import forms, template
from django.forms.boundfield import BoundField
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def control(field: BoundField) -> SafeString:
    """The field's widget with the class its kind needs, marked invalid where the form refused it."""
    widget = field.field.widget
    match widget:
        case forms.CheckboxSelectMultiple() | forms.RadioSelect():
            return field.as_widget()
        case forms.CheckboxInput():
            name = "form-check-input"
        case forms.Select():
            name = "form-select"
        case _:
            name = "form-control"
    given = widget.attrs.get("class", "")
    invalid = "is-invalid" if field.errors else ""
    return field.as_widget(attrs={"class": " ".join(filter(None, (given, name, invalid)))})


@register.filter
def is_checkbox(field: BoundField) -> bool:
    """Whether the label belongs beside the control, not above it."""
    return isinstance(field.field.widget, forms.CheckboxInput)
