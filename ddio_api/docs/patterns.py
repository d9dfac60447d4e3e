"""What the schema says of text: the patterns that the fields themselves name."""

from typing import Any

from drf_spectacular.openapi import AutoSchema

from ddio_api.serializers import TextField


class PatternedSchema(AutoSchema):
    """spectacular's description of a view, with the patterns of our text fields."""

    def _insert_field_validators(self, field: Any, schema: dict[str, Any]) -> None:
        super()._insert_field_validators(field, schema)
        if isinstance(field, TextField):
            schema["pattern"] = f"^$|{field.pattern}" if field.allow_blank else field.pattern
