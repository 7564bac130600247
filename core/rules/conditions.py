"""Conditions in the Common Expression Language (https://cel.dev), over event, profile, session and source. Pure.

Google's implementation (cel-expr-python, in C++) checks names and types when it compiles, so a typo fails at start-up
and not with a call. It stops after 10,000 iterations and 32 levels, its regular expressions take linear time, and it
cannot call Python. Each value is converted for each evaluation, so an expression gets only the variables that it names.
Values that the bindings cannot take as they are go over in another form, see `trackd.core.rules.cel_values`.
"""

import re
from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_bindings
from msgspec import Struct
from pydantic_core import to_json

from trackd.core.rules.cel_values import ESCAPED_NUL, NUL, exact, may_have_large_integer
from trackd.core.rules.condition_work import PATTERN, ConditionWork, Shape, Sizes, json_sizes, pattern_units, shape_of
from trackd.core.rules.expressions import syntax_tree
from trackd.core.rules.number_function import DECLARATION, NAME, expanded
from trackd.core.rules.paths import Path

_MAP = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
_TEXTS = cel.Type.List(cel.Type.STRING)
MATCHES = re.compile(r"\bmatches\s*\(")
MATCHES_LITERAL = re.compile(r"""\.\s*matches\s*\(\s*[rR]?(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*\)""")
CODES = re.compile(r"^(?:[A-Z_]+: )+|\s*\[[A-Z_]+\]$")  # INVALID_ARGUMENT: ERROR: ... [INVALID_ARGUMENT]
# These have roots of their own: the event's whole document is built only for expressions that read the rest of it.
PLACES: dict[str, Path] = {"event.properties": ("properties",), "event.context": ("context",)}
VARIABLES = {
    "event.id": cel.Type.STRING,
    "event.type": cel.Type.STRING,
    "event.properties": _MAP,
    "event.context": _MAP,
    "event.tags": _TEXTS,
    "event.metadata.time.create": cel.Type.STRING,
    "event.metadata.time.insert": cel.Type.STRING,
    "event.metadata.ip": cel.Type.DYN,
    "profile.id": cel.Type.STRING,
    "profile.metadata.time.insert": cel.Type.STRING,
    "profile.metadata.time.visit.count": cel.Type.INT,
    "profile.stats.visits": cel.Type.INT,
    "profile.stats.views": cel.Type.INT,
    "profile.stats.counters": _MAP,
    "profile.traits.public": _MAP,
    "profile.traits.private": _MAP,
    "profile.pii": _MAP,
    "profile.consents": _MAP,
    "profile.segments": _TEXTS,
    "profile.interests": _MAP,
    "session.id": cel.Type.STRING,
    "session.context": _MAP,
    "session.properties": _MAP,
    "source.id": cel.Type.STRING,
    "source.name": cel.Type.STRING,
    "source.tags": _TEXTS,
}

Roots = Mapping[str, Any]
"""The documents that can be read: `event`, its `properties` and its `context`, `profile`, `session` and `source`."""


class Unmet(Struct, frozen=True):
    """The reason why a condition does not hold."""

    why: str
    failed: bool = False
    """Whether the evaluation failed. A missing value is no failure."""


DOES_NOT_HOLD = Unmet("the condition does not hold")


class Inputs(Struct):
    """The values of the variables that a condition names, for all conditions that name the same ones.

    `converted`: they in CEL's own form. `has_nul`: whether a text or a key has U+0000. `may_fail`: whether a condition
    may have to be evaluated once more, because of large integers. Then too each evaluation converts the values.
    `is_charged`: whether their conversion is charged.
    """

    values: dict[str, Any]
    sizes: Sizes
    converted: Any
    has_nul: bool
    may_fail: bool
    is_charged: bool = False
    _shape: Shape | None = None

    @property
    def converts_each_time(self) -> bool:
        return self.has_nul or self.may_fail

    @property
    def shape(self) -> Shape:
        if self._shape is None:
            self._shape = shape_of(self.values.values())
        return self._shape


class Condition:
    """A compiled expression."""

    def __init__(self, text: str) -> None:
        """Raises ValueError with the fault of the text."""
        if len(MATCHES.findall(text)) > len(MATCHES_LITERAL.findall(text)):
            raise ValueError("the pattern of `matches` must be a literal text: x.matches('^a')")
        try:
            self._expression = _compiled(text)
        except RuntimeError as error:
            raise ValueError(_reason(error)) from None
        if self._expression.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
            raise ValueError(f"it gives {self._expression.return_type().name().lower()}, not true or false")
        self.text = text
        compiled = self._expression.serialize()
        named = [name for name in VARIABLES if name.encode() in compiled]
        self._variables = [(name, PLACES.get(name) or tuple(name.split("."))) for name in named]
        # The parts of the profile that it reads, as named in `Draft.changed_since`.
        self.parts = frozenset(".".join(path[1:3]) for _, path in self._variables if path[0] == "profile")
        self.reads = frozenset(path[0] for _, path in self._variables)
        self.reads_profile_only = all(path[0] == "profile" for _, path in self._variables)
        self._texts = [name for name in named if VARIABLES[name] in (cel.Type.STRING, cel.Type.DYN)]
        # Each value of an object is converted for each evaluation, which takes long for large objects.
        self.objects = tuple(name for name in named if VARIABLES[name] in (_MAP, _TEXTS))
        self.names = tuple(named)
        patterns = [pattern_units(found.replace("\\\\", "\\")) for found in MATCHES_LITERAL.findall(text)]
        self._work = ConditionWork(syntax_tree(compiled), max(patterns, default=PATTERN))
        self.least_work = self._work.units(Sizes())

    def work(self, inputs: Inputs) -> int:
        """The units of an evaluation, without those of the conversion of its inputs."""
        if not inputs.sizes.bytes:
            return self.least_work
        return self._work.units(inputs.sizes, inputs.shape if self._work.has_loops else None)

    def read(self, roots: Roots) -> Inputs:
        """The inputs of an evaluation."""
        values = {name: _value(roots, path) for name, path in self._variables}
        has_nul = False
        for name in self._texts:
            if NUL in (values[name] or ""):
                has_nul = True
        nuls, objects = 0, []
        for name in self.objects:
            objects.append(text := to_json(values[name], inf_nan_mode="constants"))
            nuls += text.count(ESCAPED_NUL)
        return Inputs(
            values,
            json_sizes(objects, nuls),
            _inner_environment().Activation(values),
            has_nul or nuls > 0,
            any(map(may_have_large_integer, objects)),
        )

    def unmet(self, inputs: Inputs) -> Unmet | None:
        """None when the condition holds."""
        if not inputs.has_nul:
            unmet = _outcome(self._expression, inputs.converted)
            if unmet is None or unmet is DOES_NOT_HOLD or not inputs.may_fail:
                return unmet
        return _outcome(self._exact_expression, _untyped_environment().Activation(exact(inputs.values)))

    @cached_property
    def _exact_expression(self) -> Any:
        """The expression for values in the form that `exact` gives them, whose types are not known beforehand."""
        return _untyped_environment().deserialize(self._expression.serialize())


def _outcome(expression: Any, converted: Any) -> Unmet | None:
    """Evaluate an expression: None when the condition holds."""
    try:
        evaluated = expression.eval(converted)
        result = evaluated.value()
    except RuntimeError as error:
        return Unmet(_reason(error), failed=True)
    if result is True:
        return None
    if result is False:
        return DOES_NOT_HOLD
    if evaluated.type() != cel.Type.ERROR:
        return Unmet(f"it gives {evaluated.type().name().lower()}, not true or false", failed=True)
    reason = _reason(result)
    if reason.startswith(("Key not found", "Index error")) or "null_type" in reason:
        return Unmet(f"a value is missing ({reason})")
    return Unmet(_without_data(reason), failed=True)


def _without_data(reason: str) -> str:
    """CEL quotes values of the profile in its errors, and the answer goes to the client."""
    if reason.startswith("No matching overloads"):
        return reason
    if reason.startswith("cannot convert string to double"):
        return "a text is no number"
    return reason.partition(":")[0].partition("'")[0].rstrip()


def _value(roots: Roots, path: Path) -> Any:
    value: Any = roots
    for key in path:
        value = value[key]
    return value


def _compiled(text: str) -> Any:
    """Raises RuntimeError with a fault of the text, and its place."""
    expression = _environment().compile(text)
    return _inner_environment().compile(expanded(text)) if NAME in text else expression


@cache
def _environment() -> Any:
    """For the texts of rules."""
    return cel.NewEnv(variables=VARIABLES, functions=[DECLARATION])


@cache
def _inner_environment() -> Any:
    """Has `cel.bind`, with which a short text could make very large values: it is not for the texts of rules."""
    return cel.NewEnv(variables=VARIABLES, extensions=[ext_bindings.ExtBindings()])


@cache
def _untyped_environment() -> Any:
    return cel.NewEnv(variables=dict.fromkeys(VARIABLES, cel.Type.DYN), extensions=[ext_bindings.ExtBindings()])


def _reason(error: object) -> str:
    """The first line of an error of CEL, without the codes before and after it."""
    text = CODES.sub("", str(error).partition("\n")[0])
    return text.removeprefix("<input>:").removeprefix("-1:-1: ").removesuffix(" (in container '')")[:200]
