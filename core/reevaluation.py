"""The re-evaluation of one profile: which segments it is in under the rules in force, without an event. Pure."""

from msgspec import Struct

from trackd.config.settings import Limits
from trackd.core.changes import Changes, Fence
from trackd.core.documents import NO_MEMO, Profile
from trackd.core.encoding import json_raw, size_of
from trackd.core.evaluation import Evaluation
from trackd.core.rules.consents import expire
from trackd.core.rules.draft import Draft
from trackd.core.rules.memo import Memo
from trackd.core.rules.rule import SegmentChange
from trackd.core.rules.ruleset import RuleSet


class Reevaluation(Struct, frozen=True):
    """The result of a re-evaluation."""

    profile: Profile
    """The profile after it, the same object if nothing changed."""
    changes: Changes
    """The changes to write. They are empty if nothing changed: then the fence alone is checked."""
    segment_changes: tuple[SegmentChange, ...]
    memo: Memo | None = None
    """As that of a `Decision`."""


def reevaluate(profile: Profile, rules: RuleSet, limits: Limits, now: str, memo: Memo | None) -> Reevaluation:
    """Let a profile enter and leave segments as a call would that arrives `now`.

    Evaluates the segments that read the profile only, whatever events they are for. The profile stays in those that
    read more, and leaves those that the rules do not have. No call arrived, so the time of the last call stays.
    """
    fence = Fence(profile.id, profile.seq, profile.revision)
    draft = Draft(profile.doc, size_of(profile.doc_json))
    expired = expire(draft, now, limits.max_consent_history)
    evaluation = Evaluation(draft, limits, rules, memo)
    changes = [*evaluation.leave_old_segments()]
    roots = {"profile": draft.doc}
    for segment in rules.segments.values():
        if segment.condition.reads_profile_only and evaluation.is_due(segment):
            change = evaluation.segment_change(segment, roots)
            if change is not None:
                changes.append(change)
    if not expired and all(change.failed is not None for change in changes):
        return Reevaluation(profile, Changes(fence), tuple(changes))
    memo = evaluation.memo()
    number = NO_MEMO if memo is None else memo.number
    written = Profile(profile.id, profile.seq, profile.revision + 1, json_raw(draft.doc), number)
    return Reevaluation(written, Changes(fence, written, reevaluated=now), tuple(changes), memo)
