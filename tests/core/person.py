"""A profile from call to call, as its actor keeps it, and rules for it."""

from typing import Any

from msgspec.structs import replace

from trackd.config.settings import Limits
from trackd.core.calls import Rejected, Track
from trackd.core.decision import Decision, decide
from trackd.core.documents import NO_MEMO, JsonObject, Profile, Session, Source
from trackd.core.rules.compiling import compile_rules
from trackd.core.rules.memo import MemoTable
from trackd.core.rules.ruleset import RuleSet
from trackd.core.snapshot import Snapshot

PLAIN = Source("source", "source")
WARY = Source("source", "source", consent=True)


def rules(**content: Any) -> RuleSet:
    return compile_rules(content, Limits())


def adds_price(event: str = "buy", target: str = "traits.private.revenue") -> JsonObject:
    return {
        "name": "revenue",
        "event": event,
        "steps": [{"target": target, "op": "increment", "from": "properties.price"}],
    }


def grants(**settings: Any) -> JsonObject:
    return {
        "name": "consents",
        "event": "consent",
        "steps": [{"target": "consents.*", "from": "properties"}],
        **settings,
    }


NO_RULES = rules()
REVENUE = rules(rule=[adds_price()])
CONSENTS = rules(rule=[grants()])
NUMBER = {"type": "object", "required": ["price"], "properties": {"price": {"type": "number"}}}
CHECKED = rules(rule=[adds_price()], event={"buy": {"schema": NUMBER, "tags": ["sales"]}})


class Person:
    """Profile A with its sessions. With `keeps_memo` False no memo is kept from call to call."""

    def __init__(
        self,
        source: Source = PLAIN,
        limits: Limits | None = None,
        keeps_memo: bool = True,
        memos: MemoTable | None = None,
        end_after_s: int = 0,
    ) -> None:
        self.source, self.limits, self.keeps_memo = source, limits or Limits(), keeps_memo
        self.memos = memos or MemoTable()
        self.end_after_s = end_after_s
        self.stored: Profile | None = None
        self.sessions: dict[str, Session] = {}
        self.event_ids: dict[str, int | None] = {}

    @property
    def profile(self) -> Profile:
        assert self.stored is not None
        return self.stored

    @profile.setter
    def profile(self, profile: Profile) -> None:
        self.stored = profile

    @property
    def doc(self) -> JsonObject:
        return self.profile.doc

    def decide(self, call: Track, rules: RuleSet) -> Decision | Rejected:
        """The decision on the call, without applying it."""
        memo = self.memos.get(self.stored.memo) if self.stored else None
        session = self.sessions.get(call.session_id)
        snapshot = Snapshot("A", self.stored, session, dict(self.event_ids), memo=memo)
        return decide(snapshot, call, self.source, rules, self.limits, self.end_after_s)

    def send(self, call: Track, rules: RuleSet) -> Decision:
        decision = self.decide(call, rules)
        assert isinstance(decision, Decision)
        self.profile = decision.profile if self.keeps_memo else replace(decision.profile, memo=NO_MEMO)
        if decision.memo:
            self.memos.put(decision.profile.memo, decision.memo)
        self.event_ids |= decision.changes.event_ids or {}
        if decision.session:
            self.sessions[call.session_id] = decision.session
        return decision


def messages(decision: Decision) -> list[str]:
    return [entry.message for entry in decision.answer.report.logs]


def statuses(decision: Decision) -> list[tuple[str, int, str]]:
    return [(event.id, event.seq, event.status) for event in decision.changes.events]


def without_memo(decision: Decision) -> Decision:
    changes = decision.changes
    if changes.profile is not None:
        changes = replace(changes, profile=replace(changes.profile, memo=NO_MEMO))
    return replace(decision, profile=replace(decision.profile, memo=NO_MEMO), changes=changes, memo=None)
