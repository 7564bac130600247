"""The trace of an event: which rules ran, and which paths of the profile they changed. Pure."""

from collections.abc import Iterable
from typing import Any

from trackd.core.encoding import reencode
from trackd.core.rules.rule import RuleRun


def trace_of(runs: Iterable[RuleRun], max_bytes: int) -> str | None:
    """The trace as a JSON list, stored with the event; None when no rule ran, or `max_bytes` is 0.

    Values are not in it. The operator chose the names of the rules, and all are listed; paths may contain keys
    that a client chose. Those that do not fit are counted: `more` of a rule.
    """
    ran: list[dict[str, Any]] = [{"id": run.rule, "changed": run.changed} for run in runs if run.unmet is None]
    if not ran or not max_bytes:
        return None
    text = reencode(ran)
    size = len(text) if text.isascii() else len(text.encode())
    return text if size <= max_bytes else _cut(ran, max_bytes)


def _cut(ran: list[dict[str, Any]], max_bytes: int) -> str:
    """As many of the first paths as fit."""
    left = max_bytes - len(reencode([{**rule, "changed": [], "more": 10**6} for rule in ran]).encode())
    for rule in ran:
        kept = []
        for path in rule["changed"]:
            left -= len(reencode(path).encode()) + 1
            if left < 0:
                break
            kept.append(path)
        if len(kept) < len(rule["changed"]):
            rule["more"] = len(rule["changed"]) - len(kept)
        rule["changed"] = kept
    return reencode(ran)
