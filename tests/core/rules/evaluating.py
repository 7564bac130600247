"""Evaluating conditions in tests."""

from typing import Any

from trackd.core.profile_document import new_profile
from trackd.core.rules.conditions import Condition, Unmet

ROOTS: dict[str, Any] = {
    "event": {
        "id": "e",
        "type": "page-view",
        "tags": ["t"],
        "metadata": {"time": {"create": "2026-01-01T00:00:00Z", "insert": "2026-01-02T00:00:00Z"}, "ip": None},
    },
    "properties": {"n": 3, "f": 2.5, "text": "x", "list": [1, 2], "none": None},
    "context": {},
    "profile": new_profile("A", "2026-01-01T00:00:00Z"),
    "session": {"id": "S", "context": {"a": {"b": 1}}, "properties": {}},
    "source": {"id": "source", "name": "shop", "tags": []},
}

NO_NUMBERS = [
    *("1,234.50", "48,0", "1 234", "1_000", " 48 ", "48 ", "\n48", "48\n", "48\t", "48\0", "\0", "€48", "48 EUR", ""),
    *("NaN", "nan", "Infinity", "-inf", "1e400", "-1e400", "9" * 5000, "٤٨", "४८", "²", "+48", ".5", "-.5", "5."),
    *("5.e3", "007", "-00", "0x10", "0X1", "1e", "1e+", "--1", "-", "1-1", "1.2.3", "true", "null", "[48]"),
]
"""Texts that are not taken as numbers."""


def unmet(text: str, roots: dict[str, Any] = ROOTS) -> Unmet | None:
    condition = Condition(text)
    return condition.unmet(condition.read(roots))


def reason_of(text: str, roots: dict[str, Any] = ROOTS) -> Unmet:
    """Why the condition does not hold."""
    reason = unmet(text, roots)
    assert reason is not None
    return reason
