"""The verdict on a run, from its answers and from the events that were read back. Pure: history in, findings out.

A call's numbers are those of its earliest answer. Each check is one pass over the history, or one over a profile's
calls after sorting them.
"""

from array import array
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from trackd.load.history import NEVER, NONE, OK, History
from trackd.load.stored import Stored


class Rule(StrEnum):
    """The promises, as sentences."""

    NUMBERED = "every answered event has one seq"
    UNIQUE = "no seq twice in a profile"
    NO_GAP = "no gap among a profile's numbers"
    ORDER = "a call that was sent after another's answer has higher numbers"
    ONE_PROFILE = "one profile per session"
    RETRIES = "retries got the first numbers, and are recorded once"
    ANSWERED = "a call that is sent again and again is answered in the end"
    READ_BACK = "no answered event is missing when read back, none is stored in part or twice"


MAX_REFUSALS = 5  # a busy server answers 503 now and then, but not the same call so often


@dataclass(frozen=True)
class Violation:
    rule: Rule
    sentence: str
    attempts: tuple[int, ...]


@dataclass
class Verdict:
    """The number of violations of each rule, and the shortest history that shows one."""

    read_back: bool
    counts: dict[Rule, int] = field(default_factory=dict)
    shortest: Violation | None = None
    _length: tuple[int, float] = (0, 0.0)

    @property
    def violations(self) -> int:
        return sum(self.counts.values())

    @property
    def judged(self) -> list[Rule]:
        return [rule for rule in Rule if self.read_back or rule is not Rule.READ_BACK]


class _Judge:
    def __init__(self, history: History, stored: Stored | None) -> None:
        self.history = history
        self.stored = stored
        self.verdict = Verdict(read_back=stored is not None)
        calls = max(history.call, default=-1) + 1
        self.first_sent = array("d", [NEVER]) * calls
        self.first_answer = array("d", [NEVER]) * calls
        self.source = array("i", [NONE]) * calls  # the attempt whose answer has the call's numbers
        self.first_attempt = array("i", [NONE]) * calls
        self.profile_of_session: dict[int, int] = {}  # the attempt whose answer names it first
        self.named_by: dict[int, int] = {}  # the first attempt whose answer names the profile

    def violated(self, rule: Rule, sentence: str, *attempts: int) -> None:
        """Count a violation. The shortest history has the fewest attempts, then the least time between them."""
        shown = tuple(sorted(dict.fromkeys(attempts)))
        sent = [self.history.sent[attempt] for attempt in shown]
        length = (len(shown), max(sent) - min(sent))
        verdict = self.verdict
        verdict.counts[rule] = verdict.counts.get(rule, 0) + 1
        if verdict.shortest is None or length < verdict._length:
            verdict.shortest, verdict._length = Violation(rule, sentence, shown), length

    def numbers(self, call: int) -> list[int]:
        """A call's numbers: from its answer, else as read back; empty if neither has them."""
        if self.source[call] != NONE:
            return self.history.seqs_of(self.source[call])
        read = self.stored.of(call) if self.stored else []
        return read if all(read) else []

    def shown(self, call: int) -> int:
        return self.source[call] if self.source[call] != NONE else self.first_attempt[call]


def judge(history: History, stored: Stored | None = None) -> Verdict:
    """Without `stored` the last rule is left out."""
    case = _Judge(history, stored)
    _first_answers(case)
    _retries(case)
    _sessions(case)
    for profile, calls in _by_profile(case).items():
        _numbers(case, profile, calls)
        _order(case, calls)
    if stored is not None:
        _read_back(case, stored)
    return case.verdict


def _first_answers(case: _Judge) -> None:
    history = case.history
    for attempt, call in enumerate(history.call):
        if case.first_attempt[call] == NONE:
            case.first_attempt[call] = attempt
        case.first_sent[call] = min(case.first_sent[call], history.sent[attempt])
        if history.status[attempt] != OK:
            continue
        seqs = history.seqs_of(attempt)
        if min(seqs, default=1) < 1:
            case.violated(Rule.NUMBERED, "the answer has no seq of an event that was sent", attempt)
        elif any(a >= b for a, b in pairwise(seqs)):
            case.violated(Rule.ORDER, "the numbers of one call do not rise in the order of its events", attempt)
        if history.answered[attempt] < case.first_answer[call]:
            case.first_answer[call] = history.answered[attempt]
            case.source[call] = attempt


def _retries(case: _Judge) -> None:
    history, n = case.history, case.history.events_per_call
    retries: dict[int, list[int]] = {}
    for attempt, call in enumerate(history.call):
        if case.first_attempt[call] != attempt:
            retries.setdefault(call, []).append(attempt)
    for attempt, call in enumerate(history.call):
        if case.first_attempt[call] != attempt:
            continue
        attempts = [attempt, *retries.get(call, ())]
        answered = [each for each in attempts if history.status[each] == OK]
        first = case.source[call]
        refused = [each for each in attempts if history.status[each] >= 500]
        if not answered and len(refused) >= MAX_REFUSALS:
            case.violated(
                Rule.ANSWERED, f"a call was sent {len(attempts)} times and never answered 200", *refused[:MAX_REFUSALS]
            )
        for each in answered:
            if history.profile[each] != history.profile[first]:
                case.violated(Rule.RETRIES, "the same call was answered with two profiles", first, each)
            elif history.seqs_of(each) != history.seqs_of(first):
                case.violated(Rule.RETRIES, "the same call was answered with two sets of numbers", first, each)
        recorded = sum(history.saved[each] for each in answered)
        if recorded > n:
            case.violated(Rule.RETRIES, f"of {n} events {recorded} were reported as saved", *answered)
        elif answered == attempts and recorded < n:
            case.violated(
                Rule.RETRIES, f"of {n} events that are all new only {recorded} were reported as saved", *answered
            )


def _sessions(case: _Judge) -> None:
    history = case.history
    for attempt in sorted(range(len(history)), key=history.answered.__getitem__):
        if history.status[attempt] != OK:
            continue
        profile, claimed = history.profile[attempt], history.claimed[attempt]
        case.named_by.setdefault(profile, attempt)
        first = case.profile_of_session.setdefault(history.session[attempt], attempt)
        if history.profile[first] != profile:
            case.violated(Rule.ONE_PROFILE, "two calls of one session were answered with two profiles", first, attempt)
        elif claimed not in (NONE, profile):
            earlier = case.named_by.get(claimed, attempt)
            case.violated(
                Rule.ONE_PROFILE, "a call that names a known profile was answered with another", earlier, attempt
            )


def _by_profile(case: _Judge) -> dict[int, "array[int]"]:
    """The calls of each profile; a call without an answer is one of its session's profile, or of the one it named."""
    history = case.history
    calls: dict[int, array[int]] = {}
    for call, attempt in enumerate(case.first_attempt):
        if attempt == NONE:
            continue
        witness = case.source[call]
        if witness == NONE:
            witness = case.profile_of_session.get(history.session[attempt], NONE)
        profile = history.profile[witness] if witness != NONE else history.claimed[attempt]
        if profile != NONE:
            calls.setdefault(profile, array("i")).append(call)
    return calls


def _numbers(case: _Judge, profile: int, calls: "array[int]") -> None:
    """No number occurs twice, and only the numbers of calls without an answer may be missing."""
    name = case.history.profile_ids[profile]
    numbered: list[tuple[int, int]] = []
    unanswered = 0
    for call in calls:
        seqs = [seq for seq in case.numbers(call) if seq > 0]
        numbered.extend((seq, call) for seq in seqs)
        if case.source[call] == NONE and not seqs and (case.stored is None or profile not in case.stored.profiles_read):
            unanswered += 1
    numbered.sort()
    gaps: list[tuple[int, int, int, int]] = []
    last, last_call = 0, NONE
    for seq, call in numbered:
        if seq == last:
            sentence = f"profile {name} has number {seq} twice"
            case.violated(Rule.UNIQUE, sentence, case.shown(last_call), case.shown(call))
        elif seq > last + 1:
            gaps.append((last, seq, last_call, call))
        last, last_call = seq, call
    if sum(after - before - 1 for before, after, _, _ in gaps) > unanswered * case.history.events_per_call:
        _gaps(case, name, gaps)
    elif unanswered:
        _gaps(case, name, [gap for gap in gaps if (gap[1] - gap[0] - 1) % case.history.events_per_call])


def _gaps(case: _Judge, name: str, gaps: list[tuple[int, int, int, int]]) -> None:
    for before, after, last_call, call in gaps:
        left_out = f"number {before + 1}" if after == before + 2 else f"numbers {before + 1} to {after - 1}"
        around = [case.shown(each) for each in (last_call, call) if each != NONE]
        case.violated(
            Rule.NO_GAP, f"profile {name} has no {left_out}, and no call without an answer explains it", *around
        )


def _order(case: _Judge, calls: "array[int]") -> None:
    """If B was sent after A's answer, B's numbers are higher. Merges calls by sending and answers by time."""
    by_sent = sorted(calls, key=case.first_sent.__getitem__)
    by_answer = sorted(
        (call for call in calls if case.source[call] != NONE), key=case.first_answer.__getitem__, reverse=True
    )
    highest, holder = 0, NONE
    for call in by_sent:
        while by_answer and case.first_answer[by_answer[-1]] < case.first_sent[call]:
            earlier = by_answer.pop()
            if (top := max(case.numbers(earlier))) > highest:
                highest, holder = top, earlier
        lowest = min((seq for seq in case.numbers(call) if seq > 0), default=NEVER)
        if lowest < highest:
            sentence = f"number {highest} was answered before the call was sent that got number {lowest}"
            case.violated(Rule.ORDER, sentence, case.shown(holder), case.shown(call))


def _read_back(case: _Judge, stored: Stored) -> None:
    history, verdict = case.history, Rule.READ_BACK
    for call, attempt in enumerate(case.first_attempt):
        if attempt == NONE:
            continue
        source, read = case.source[call], stored.of(call)
        if source == NONE:
            if any(read) and not all(read):
                case.violated(verdict, "a call without an answer is stored in part", attempt)
        elif history.profile[source] not in stored.profiles_read:
            continue
        elif not all(read):
            case.violated(verdict, f"{read.count(0)} of {len(read)} answered events are missing", source)
        elif read != history.seqs_of(source):
            case.violated(verdict, f"the events are stored with the numbers {read}", source)
        elif any(profile != history.profile[source] for profile in stored.profiles_of(call)):
            case.violated(verdict, "the events are stored in another profile", source)
    for call, profile in stored.duplicates:
        case.violated(
            verdict,
            f"an event is stored twice, the second time in profile {history.profile_ids[profile]}",
            case.shown(call),
        )
