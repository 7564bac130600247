"""The most work that an evaluation of a condition can take, from its syntax and the sizes of the values it reads. Pure.

CEL converts each value that an expression names, once for all conditions that share them. In a loop (exists, all, map,
filter) each step of the body is taken for each item, in nested loops for each pair, and so on up to 10,000 times; then
CEL itself ends the evaluation. A comparison reads no more than the shorter side, so one with an item of the loop reads
all items once, however many there are. Other functions of values that do not come from the loop may read all bytes each
time.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from msgspec import Struct

from trackd.core.rules.expressions import Binding, Call, Constant, Loop, Node, Part, Variable

MAX_ITERATIONS = 10_000  # of CEL, in one evaluation
EVALUATION = 5_000
READING = 4_000  # the values that a condition names, without what is in them
BYTE = 4
MEMBER = 400
ENTRY = 500  # more for a member of an object, with its key
NUL = 12_000  # a text with U+0000 is converted in another form
FIELD_DEPTH = 2  # of the fields of items
STEP = 40
CONVERSION = 1_500
PATTERN = 10_000  # a pattern is compiled for each use, which takes for each of its
CHARACTER, CLASS, PROPERTY = 700, 8_000, 3_000_000  # characters, classes ([a-z]) and properties (\pL) so long
PART = re.compile(
    r"(\\[pP])(?:\{\^?\w+\}|\w)|(\\\w|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]|\.)|\{(\d+)(?:,(\d*))?\}|(\\?.)", re.S
)
READ_MEMBER = 60
APPENDED_ITEM = 45  # `map` and `filter` copy their list for each item
SEARCHED_PAIRS_PER_UNIT = 40
EIGHTHS = 8  # of a unit, for each byte that is read
COMPARED, READ, SOUGHT_IN, MATCHED = 1, 24, 120, 240
COMPARISONS = frozenset(["_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "startsWith", "endsWith"])
CONVERSIONS = frozenset(["string", "bytes", "int", "uint", "double", "timestamp", "duration"])
READERS = {
    "@in": READ,
    "_+_": READ,
    "size": READ,
    "contains": SOUGHT_IN,
    "matches": MATCHED,
    **dict.fromkeys(CONVERSIONS, READ),
}
RESULT = "@result"  # of a loop: true or false, the number of `exists_one`, the list of `map` and `filter`
RESULT_VARIABLE = Variable(RESULT)


class Sizes(NamedTuple):
    """The sizes of the values that a condition reads.

    Bytes of JSON, members of objects and lists, those of objects alone, texts with U+0000.
    """

    bytes: int = 0
    members: int = 0
    entries: int = 0
    nuls: int = 0

    @property
    def conversion(self) -> int:
        """The units of the conversion of the values."""
        return READING + self.bytes * BYTE + self.members * MEMBER + self.entries * ENTRY + self.nuls * NUL


class Shape(NamedTuple):
    """How many members the longest list or object has, and how many are within fields of the items of lists."""

    longest: int = 0
    deep: int = 0


def shape_of(values: Iterable[Any]) -> Shape:
    longest = deep = 0
    left = [(value, 0) for value in values if isinstance(value, list | dict)]
    while left:
        value, depth = left.pop()  # below the outermost list, which has 1
        longest = max(longest, len(value))
        depth += bool(depth or isinstance(value, list))
        deep += len(value) if depth > FIELD_DEPTH else 0
        inner = value.values() if isinstance(value, dict) else value
        left += [(item, depth) for item in inner if isinstance(item, list | dict)]
    return Shape(longest, deep)


def json_sizes(texts: Sequence[bytes], nuls: int = 0) -> Sizes:
    """The sizes of JSON texts. Commas, brackets and colons in strings are counted as members too."""
    members = entries = 0
    for text in texts:
        members += text.count(b",") + text.count(b"[") + text.count(b"{")
        entries += text.count(b":")
    return Sizes(sum(map(len, texts)), members, entries, nuls)


class Level(Struct):
    """The work outside of loops, in a loop, in a loop in a loop, and so on: the units of one iteration."""

    units: int = 0
    for_member: int = 0
    for_deep: int = 0
    for_item: int = 0
    eighths_for_byte: int = 0
    searches: int = 0
    """How often one text is sought in another."""


def pattern_units(pattern: str) -> int:
    """The units of compiling a regular expression: what is repeated up to n times is compiled n times."""
    groups: list[int] = []  # what precedes each open group
    units = last = 0  # `last`: those of the part that a repetition repeats
    for match in PART.finditer(pattern):
        prop, cls, least, most, character = match.groups()
        if least:
            last *= max(1, int(most or least))
            continue
        if character == ")" and groups:
            last += units
            units = groups.pop()
            continue
        units += last
        if character == "(":
            groups.append(units)
            units = last = 0
        elif cls:
            last = CLASS + PROPERTY * len(re.findall(r"\\[pP]", cls))
        else:
            last = PROPERTY if prop else CHARACTER * len(character.encode())
    return PATTERN + sum(groups) + units + last


class ConditionWork:
    """The work of one condition, whose patterns take at most `pattern` units to compile."""

    def __init__(self, tree: Node, pattern: int = PATTERN) -> None:
        self.pattern = pattern
        self._levels = [Level()]
        self.literals = 0
        self.lengthened = 1  # how many lists a loop puts together for its range
        _add(tree, 0, {}, self)

    def level(self, depth: int) -> Level:
        while len(self._levels) <= depth:
            self._levels.append(Level())
        return self._levels[depth]

    @property
    def has_loops(self) -> bool:
        return len(self._levels) > 1

    def units(self, sizes: Sizes, shape: Shape | None = None) -> int:
        """Those of an evaluation, without the conversion of the values. `shape` is needed for loops only."""
        size, members, longest, deep = sizes.bytes, sizes.members, sizes.members, sizes.members
        if shape is not None:
            longest, deep = shape
        range_length = (longest + self.literals) * self.lengthened
        units, iterations = EVALUATION, 1
        for level in self._levels:
            each = level.units + level.for_member * members + level.eighths_for_byte * size // EIGHTHS
            each += level.for_deep * deep + level.for_item * range_length
            each += level.searches * size * size // SEARCHED_PAIRS_PER_UNIT
            units += iterations * each
            iterations = min(MAX_ITERATIONS, iterations * range_length)
        return units


class Origin(IntEnum):
    """Where a value comes from: that decides how often how much of it is read."""

    LITERAL = 0
    FIELD = 1
    """Within the item of a loop over a value as it is: all of them together are no more than what is `deep`."""
    ITEM = 2
    """From the item of a loop: all items together are no more than the whole."""
    MADE = 3
    """From the item of a loop over a list that the condition makes."""
    WHOLE = 4


def _add(node: Node, depth: int, scope: Mapping[str, Origin], work: ConditionWork) -> Origin:
    """Add the work of an expression in `depth` loops. `scope` has the variables of loops and bindings."""
    level = work.level(depth)
    level.units += STEP
    match node:
        case Constant():
            work.literals += 1
            return Origin.LITERAL
        case Variable():
            return scope.get(node.name, Origin.WHOLE)
        case Part():
            origin = _add(node.of, depth, scope, work)
            return Origin.FIELD if origin is Origin.ITEM and _is_place(node) else origin
        case Binding():
            origin = _add(node.value, depth, scope, work)
            return _add(node.body, depth, {**scope, node.variable: origin}, work)
        case Loop():
            work.lengthened = max(work.lengthened, 1 + _additions(node.over))
            _add(node.over, depth, scope, work)
            result = Origin.LITERAL if isinstance(node.body[0], Constant) else Origin.WHOLE
            item = Origin.ITEM if _is_place(node.over) else Origin.MADE
            inner = {**scope, RESULT: result, **dict.fromkeys(node.variables, item)}
            for part in node.body:
                _add(part, depth + 1, inner, work)
            return Origin.WHOLE
        case Call():
            origins = [_add(argument, depth, scope, work) for argument in node.arguments]
            _add_call(node, depth, origins, work)
            return max(origins, default=Origin.LITERAL)


def _add_call(call: Call, depth: int, origins: Sequence[Origin], work: ConditionWork) -> None:
    level, outside, function = work.level(depth), work.level(max(0, depth - 1)), call.function
    if function in COMPARISONS:
        origins, eighths = [min(origins)], COMPARED
    elif function in READERS and not (function == "@in" and origins[-1] is Origin.LITERAL):
        eighths = READERS[function]
    else:
        return
    if function in CONVERSIONS:
        level.units += CONVERSION
    if function == "matches":
        level.units += work.pattern
    if function == "contains" and origins[-1] is not Origin.LITERAL:
        (level if Origin.WHOLE in origins else outside).searches += 1
    if RESULT_VARIABLE in call.arguments and Origin.WHOLE in origins:
        level.for_item += APPENDED_ITEM
        return
    for origin in origins:
        if origin is not Origin.LITERAL:
            read = level if origin is Origin.WHOLE else outside
            if origin is Origin.FIELD:
                read.for_deep += READ_MEMBER
            else:
                read.for_member += READ_MEMBER
            read.eighths_for_byte += eighths


def _is_place(node: Node) -> bool:
    """Whether it is a value as it is, and not made by the expression."""
    while isinstance(node, Part):
        node = node.of
    return isinstance(node, Variable)


def _additions(node: Node) -> int:
    """How often values are put together in an expression."""
    match node:
        case Call():
            return (node.function == "_+_") + sum(map(_additions, node.arguments))
        case Part():
            return _additions(node.of)
        case Loop():
            return _additions(node.over)
        case Binding():
            return _additions(node.value) + _additions(node.body)
    return 0
