"""The shape of a rules file: a model for each table, and a sentence for each fault."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from trackd.config.errors import RulesError

Operation = Literal[
    "set", "set_if_absent", "unset", "increment", "decrement", "max", "min", "append", "append_unique", "remove"
]


Conversion = Literal["number", "text", "time", "boolean"]


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Text = Annotated[str, Field(min_length=1, max_length=255)]
Name = Annotated[Text, Field(pattern=r"^[^\x00-\x1f\x7f]+$")]
Texts = Annotated[list[Text], BeforeValidator(_as_list)]
When = Annotated[str, Field(min_length=1, max_length=4096)]


class Entry(BaseModel):
    """A table of the file. Unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class StepEntry(Entry):
    """One change of the profile. It takes a path, `source` (`from` in the file), or a literal `value`, not both.

    `conversion` (`as` in the file) is for the values at the path.
    """

    target: str
    op: Operation = "set"
    value: Any = None
    source: str | None = Field(None, alias="from")
    conversion: Conversion | None = Field(None, alias="as")

    @model_validator(mode="after")
    def one_operand(self) -> "StepEntry":
        if self.value is not None and self.source is not None:
            raise ValueError("a step takes `value` or `from`, not both")
        if self.value is None and self.source is None and self.op not in ("unset", "increment", "decrement"):
            raise ValueError(f"`{self.op}` needs a `value` or a `from`")
        if self.value is not None and self.op == "unset":
            raise ValueError("`unset` takes no `value`")
        if self.conversion is not None and self.source is None:
            raise ValueError("`as` converts what `from` takes: it needs one")
        return self


class RuleEntry(Entry):
    """Steps for events of these types; `*` is any type."""

    name: Name
    event: Annotated[Texts, Field(min_length=1)]
    when: When | None = None
    valid_for_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    nulls: Literal["ignore", "unset"] = "ignore"
    steps: Annotated[list[StepEntry], Field(min_length=1)]


class SegmentEntry(Entry):
    """Profiles for which `when` holds; evaluated after events of these types, or after any when there are none."""

    name: Name
    when: When
    event: Texts = []


class EventEntry(Entry):
    """An event type: its tags, and a JSON Schema for its properties, here or in a file of its own."""

    tags: Texts = []
    json_schema: dict[str, Any] | None = Field(None, alias="schema")
    schema_file: Text | None = None

    @model_validator(mode="after")
    def one_schema(self) -> "EventEntry":
        if self.json_schema is not None and self.schema_file is not None:
            raise ValueError("an event type takes `schema` or `schema_file`, not both")
        return self


class UnwantedEntry(Entry):
    """Events to drop: by type (`*`, `?` and `[...]` are wildcards) or sent by bots, from these sources or from all."""

    name: Name
    types: Texts = []
    bots: bool = False
    source: Texts = []

    @model_validator(mode="after")
    def one_reason(self) -> "UnwantedEntry":
        if not self.types and not self.bots:
            raise ValueError("it needs `types`, or `bots = true`")
        return self


class ValidationEntry(Entry):
    """Sources whose calls are refused when one of their events is invalid; `*` is any source."""

    refuse: Texts = []


class RulesFile(Entry):
    """A whole rules file."""

    rule: list[RuleEntry] = []
    segment: list[SegmentEntry] = []
    event: dict[str, EventEntry] = {}
    unwanted: list[UnwantedEntry] = []
    validation: ValidationEntry = ValidationEntry()


def parse_rules_file(tables: Mapping[str, Any], name: str) -> RulesFile:
    """Check the tables of a rules file. `name` is that of the file, for errors. Raises RulesError."""
    try:
        return RulesFile.model_validate(tables)
    except RecursionError:
        raise RulesError(f"{name}: it is nested too deep.") from None
    except ValidationError as error:
        fault = error.errors()[0]
        raise RulesError(f"{name}: {_place(fault['loc'], tables)}{_sentence(fault)}.") from None


def _place(loc: tuple[int | str, ...], content: Mapping[str, Any]) -> str:
    """The start of an error: `rule "purchase", step 2: ` for ("rule", 0, "steps", 1, "op")."""
    match loc:
        case ("rule" | "segment" | "unwanted" as kind, int(index), *rest):
            entry = content[kind][index]
            name = entry.get("name") if isinstance(entry, dict) else None
            place = f'{kind} "{_printable(name)}"' if isinstance(name, str) else f"{kind} number {index + 1}"
            if len(rest) > 1 and rest[0] == "steps":
                place += f", step {int(rest[1]) + 1}"
            return f"{place}: "
        case ("event", str(event_type), *_):
            return f'event "{_printable(event_type)}": '
        case ("validation", _, *_):
            return "validation: "
    return ""


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


def _sentence(fault: Any) -> str:
    key = next(key for key in reversed(fault["loc"]) if isinstance(key, str))
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "model_type":
        message = "it should be a table"
    if fault["type"] == "extra_forbidden":
        return f"there is no key `{key}` here"
    if fault["type"] == "missing":
        return f"the key `{key}` is missing"
    if fault["type"] == "value_error":
        return str(message)
    return f"{key} = {fault['input']!r:.100} is not allowed: {message[:1].lower()}{message[1:]}"
