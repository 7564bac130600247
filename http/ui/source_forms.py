"""The form of a source: from its fields to a source, and from a source or a faulty form back to its fields."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from pydantic import ValidationError

from trackd.core.documents import Source
from trackd.http.api.parameters import faults
from trackd.http.api.sources import SourceBody
from trackd.http.ui.errors import fault_text
from trackd.http.ui.guard import Form

FLAGS = ("consent", "returns_profile", "permanent_profile_id")
LINES = ("origins", "tags")
NO_NUMBER = "should be a number, such as 100, or empty for no limit"


class SourceForm(Struct, frozen=True):
    """`values` and `faults` are by field, as the page shows them; `fields` are those of a source without a fault."""

    values: Mapping[str, Any] = {}
    faults: Mapping[str, str] = {}
    fields: Mapping[str, Any] = {}


def form_of(source: Source) -> SourceForm:
    rate = "" if source.rate_limit is None else repr(source.rate_limit).removesuffix(".0")
    values = {"id": source.id, "name": source.name, "description": source.description, "rate_limit": rate}
    flags = {name: getattr(source, name) for name in FLAGS}
    return SourceForm(values | flags | {name: "\n".join(getattr(source, name)) for name in LINES})


def read(form: Form) -> SourceForm:
    """The form as it was filled in, checked as the API checks a source."""
    values: dict[str, Any] = {name: form.get(name, "") for name in ("id", "name", "description", "rate_limit", *LINES)}
    values |= {name: form.get(name) == "on" for name in FLAGS}
    fields: dict[str, Any] = {"name": values["name"].strip(), "description": values["description"].strip()}
    fields |= {name: values[name] for name in FLAGS}
    fields |= {name: [line.strip() for line in values[name].splitlines() if line.strip()] for name in LINES}
    found: dict[str, str] = {}
    try:
        fields["rate_limit"] = float(values["rate_limit"]) if values["rate_limit"].strip() else None
    except ValueError:
        found["rate_limit"] = NO_NUMBER
    if values["id"].strip():
        fields["id"] = values["id"]
    try:
        body = SourceBody.model_validate(fields)
    except ValidationError as error:
        for fault in reversed(faults(error)):
            found[str(fault["loc"][0])] = fault_text(fault)
        return SourceForm(values, found)
    return SourceForm(values, found, {**body.fields(), "id": body.id})


def changed_fields(form: SourceForm, shown: SourceForm) -> dict[str, Any]:
    """The fields that a person has changed in the form that showed `shown`.

    A browser sends texts without their line breaks, and blanks are left out: other fields stay as they are stored.
    """
    return {
        name: value
        for name, value in form.fields.items()
        if name != "id" and _lines(name, form.values[name]) != _lines(name, shown.values[name])
    }


def _lines(name: str, value: Any) -> Any:
    """A value as two that a browser sends alike are equal."""
    if not isinstance(value, str):
        return value
    lines = value.splitlines()
    return lines if name in LINES else "".join(lines)
