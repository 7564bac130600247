"""The syntax trees of expressions that CEL compiled."""

import pytest
from cel_expr_python import cel

from trackd.core.rules.expressions import Binding, Call, Constant, Loop, Node, Part, Variable, syntax_tree

ENVIRONMENT = cel.NewEnv(variables={"x": cel.Type.DYN, "a.b": cel.Type.INT})


def tree(text: str) -> Node:
    return syntax_tree(ENVIRONMENT.compile(text).serialize())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", Constant()),
        ("x == 'text'", Call("_==_", (Variable("x"), Constant()))),
        ("x.c", Part(Variable("x"))),
        ("x[0]", Call("_[_]", (Variable("x"), Constant()))),
        ("x.contains('a')", Call("contains", (Variable("x"), Constant()))),
        ("x in [1, 2.5]", Call("@in", (Variable("x"), Call("", (Constant(), Constant()))))),
        ("{'k': x, 'l': 300}", Call("", (Constant(), Variable("x"), Constant(), Constant()))),
        ("-9223372036854775808 < x", Call("_<_", (Constant(), Variable("x")))),
    ],
)
def test_an_expression_has_its_tree(text: str, expected: Node) -> None:
    assert tree(text) == expected


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("x.exists(i, i > 3)", ("i",)),
        ("x.all(i, i > 3)", ("i",)),
        ("x.exists_one(i, i > 3)", ("i",)),
        ("x.map(i, i)", ("i",)),
        ("x.map(i, i > 3, i)", ("i",)),
        ("x.filter(i, i > 3)", ("i",)),
    ],
)
def test_a_macro_is_a_loop(text: str, variables: tuple[str, ...]) -> None:
    loop = tree(text)
    assert isinstance(loop, Loop)
    assert (loop.variables, loop.over) == (variables, Variable("x"))
    assert loop.body


def test_a_binding_is_no_loop() -> None:
    from cel_expr_python.ext import ext_bindings

    environment = cel.NewEnv(variables={"x": cel.Type.DYN}, extensions=[ext_bindings.ExtBindings()])
    bound = syntax_tree(environment.compile("cel.bind(y, x, y > 3)").serialize())
    assert bound == Binding("y", Variable("x"), Call("_>_", (Variable("y"), Constant())))
