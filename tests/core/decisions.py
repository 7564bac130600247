"""Decisions, without rules unless a test gives some."""

from trackd.config.settings import Limits
from trackd.core.calls import Track
from trackd.core.decision import Decision
from trackd.core.decision import decide as decide_under
from trackd.core.documents import Session, Source
from trackd.core.rules.ruleset import RuleSet
from trackd.core.snapshot import Snapshot

NO_RULES = RuleSet()
NEW = Snapshot("A", None, None, {})
PLAIN = Source("source", "source")


def decide(
    snapshot: Snapshot, call: Track, source: Source = PLAIN, limits: Limits | None = None, rules: RuleSet = NO_RULES
) -> Decision:
    decision = decide_under(snapshot, call, source, rules, limits or Limits())
    assert isinstance(decision, Decision)
    return decision


def kept_session(decision: Decision) -> Session:
    assert decision.session is not None
    return decision.session
