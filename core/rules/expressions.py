"""The syntax tree of a compiled CEL expression, as far as its work depends on it. Pure.

The bindings hand a compiled expression over as a message of Protocol Buffers (google.protobuf.Any with a CheckedExpr,
see https://github.com/google/cel-spec/blob/master/proto/cel/expr/syntax.proto), and nothing else of it. The numbers
below are those of the fields of these messages.
"""

from collections.abc import Callable, Iterator

from msgspec import Struct

ANY_VALUE, CHECKED_EXPR = 2, 4
VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5
FIXED = {EIGHT_BYTES: 8, FOUR_BYTES: 4}
MACRO_RESULT = (
    b"@result"  # the accumulator of exists, all, exists_one, map and filter; that of cel.bind is its variable
)


class Constant(Struct, frozen=True):
    """A literal."""


class Variable(Struct, frozen=True):
    name: str


class Call(Struct, frozen=True):
    """A function or an operator, such as `contains` or `_==_`; "" for the literal of a list or a map."""

    function: str
    arguments: tuple["Node", ...]


class Part(Struct, frozen=True):
    """A field of an object."""

    of: "Node"


class Loop(Struct, frozen=True):
    """A macro that evaluates its body for each item of its range."""

    variables: tuple[str, ...]
    over: "Node"
    body: tuple["Node", ...]


class Binding(Struct, frozen=True):
    """A variable for a value, which cel.bind makes."""

    variable: str
    value: "Node"
    body: "Node"


Node = Constant | Variable | Call | Part | Loop | Binding


def syntax_tree(serialized: bytes) -> Node:
    """The tree of a serialized expression."""
    return _node(_one(_one(serialized, ANY_VALUE), CHECKED_EXPR))


def _node(expression: bytes) -> Node:
    for number, content in _fields(expression):
        if number in MAKE_NODE:
            return MAKE_NODE[number](content)
    return Constant()


def _variable(content: bytes) -> Node:
    return Variable(_text(_one(content, 1)))


def _part(content: bytes) -> Node:
    return Part(_node(_one(content, 1)))


def _call(content: bytes) -> Node:
    return Call(_text(_one(content, 2)), tuple(_node(part) for part in (*_all(content, 1), *_all(content, 3))))


def _list(content: bytes) -> Node:
    return Call("", tuple(_node(item) for item in _all(content, 1)))


def _map(content: bytes) -> Node:
    entries = _all(content, 2)
    return Call("", tuple(_node(part) for entry in entries for part in (*_all(entry, 3), *_all(entry, 4))))


def _comprehension(content: bytes) -> Node:
    accumulator = _one(content, 3)
    if accumulator != MACRO_RESULT:
        return Binding(_text(accumulator), _node(_one(content, 4)), _node(_one(content, 7)))
    variables = tuple(_text(name) for number in (1, 8) for name in _all(content, number))
    body = tuple(_node(part) for number in (4, 5, 6, 7) for part in _all(content, number))
    return Loop(variables, _node(_one(content, 2)), body)


MAKE_NODE: dict[int, Callable[[bytes], Node]] = {
    4: _variable,
    5: _part,
    6: _call,
    7: _list,
    8: _map,
    9: _comprehension,
}
"""By the number of its field in an expression; all else is a literal."""


def _all(message: bytes, wanted: int) -> list[bytes]:
    return [content for number, content in _fields(message) if number == wanted]


def _one(message: bytes, wanted: int) -> bytes:
    found = _all(message, wanted)
    return found[0] if found else b""


def _text(content: bytes) -> str:
    return content.decode()


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields with a length; numbers are passed over."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        match key & 7:
            case wire if wire == VARINT:
                _, position = _varint(message, position)
            case wire if wire == BYTES:
                length, position = _varint(message, position)
                yield key >> 3, message[position : position + length]
                position += length
            case wire:
                position += FIXED[wire]


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
