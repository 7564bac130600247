"""The function `number` of conditions: a decimal from a number, or from a text that is a number of JSON. Pure.

CEL's own `double` takes more texts (" 48 ", "nan", "1e999"). The bindings could call a function in Python, but each
call would leak memory, and a regular expression is compiled with each evaluation (60 µs). So a call of `number` is
replaced by functions of CEL before the expression is compiled.
"""

import re

from cel_expr_python import cel

NAME = "number"
DECLARATION = cel.FunctionDecl(NAME, [cel.Overload("number_dyn", return_type=cel.Type.DYN, parameters=[cel.Type.DYN])])

# The rest of the rule for texts that `double` takes. They begin with a digit, without `+`, dot, blank, or a 0 too many;
_BEGINS = " || ".join(
    f"(x >= '{sign}{first}' && x < '{sign}{after}')"
    for sign in ("", "-")
    for first, after in (("0", "00"), ("0:", ":"))
)
# they are not hexadecimal; a dot has a digit after it; there is no blank at the end.
_GOES_ON = " && ".join(
    [f"!x.contains('{part}')" for part in ("x", "X", ".e", ".E")]
    + [f"!x.endsWith('{end}')" for end in (".", " ", r"\t", r"\n", r"\v", r"\f", r"\r")]
)
_LARGEST = "1.7976931348623157e308"
_FAILS = "double('')"
_BEFORE = "dyn(cel.bind(x, dyn("
_AFTER = (
    f"), type(x) != string ? double(x) : ({_BEGINS}) && {_GOES_ON} ? "
    f"cel.bind(n, double(x), n >= -{_LARGEST} && n <= {_LARGEST} ? n : {_FAILS}) : {_FAILS}))"
)
_TOKEN = re.compile(
    r"""
    //[^\n]*
    | (?:[bB]?[rR]|[rR][bB]) (?: \"{3}.*?\"{3} | '{3}.*?'{3} | "[^"\n]*" | '[^'\n]*' )
    | [bB]? (?: \"{3}(?:\\.|.)*?\"{3} | '{3}(?:\\.|.)*?'{3} | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' )
    | `[^`\n]*`
    | [A-Za-z_][A-Za-z_0-9]*
    | \s+
    | .
    """,
    re.VERBOSE | re.DOTALL,
)


def expanded(text: str) -> str:
    """The expression with each call of `number` replaced. It must be a valid expression."""
    tokens = _TOKEN.findall(text)
    words = [place for place, token in enumerate(tokens) if not token.isspace() and not token.startswith("//")]
    begins = False  # whether the next parenthesis is that of a call
    open_calls: list[bool] = []  # for each open parenthesis, whether it is that of a call
    for before, word, after in zip([None, *words], words, [*words[1:], None], strict=False):
        if tokens[word] == NAME and after and tokens[after] == "(" and (before is None or tokens[before] != "."):
            tokens[word], begins = "", True
        elif tokens[word] == "(":
            open_calls.append(begins)
            if begins:
                tokens[word], begins = _BEFORE, False
        elif tokens[word] == ")" and open_calls.pop():
            tokens[word] = _AFTER
    return "".join(tokens)
