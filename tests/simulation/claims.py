"""Claims of contended profiles, as PostgresWriter makes them (storage/postgres/calls.py), for stores without."""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from trackd.core.changes import Change, Changes, Fence, Outcome
from trackd.storage.postgres.calls import CLAIM_S
from trackd.storage.store import Store
from trackd.storage.writer import BatchResult
from trackd.storage.writer import commit as commit_to

CLAIM_MS = int(CLAIM_S * 1_000)


class Claim(NamedTuple):
    claimant: int
    until: int


class Claims:
    """The claims of all nodes, and the time in milliseconds."""

    def __init__(self) -> None:
        self.now = 0
        self._claims: dict[str, Claim] = {}

    def commit(self, store: Store, claimant: int, batch: Sequence[Change]) -> BatchResult:
        """Commit a batch of a node. Changes of profiles that others have claimed are stale."""
        calls = [change for change in batch if isinstance(change, Changes)]
        claimed = {change.fence.profile_id for change in calls if self._is_claimed(change.fence.profile_id, claimant)}
        overtaken = {change.fence.profile_id for change in calls if _is_overtaken(store, change.fence)} - claimed
        result = commit_to(store, [_stale(change) if _is_of(change, claimed) else change for change in batch])
        for change, outcome in zip(batch, result.outcomes, strict=bool(result.outcomes)):
            if isinstance(change, Changes):
                profile_id = change.fence.profile_id
                if outcome is Outcome.STORED and change.profile is not None:
                    self._claims.pop(profile_id, None)
                    overtaken.discard(profile_id)
                elif outcome is Outcome.STALE and profile_id in overtaken:
                    self._claims[profile_id] = Claim(claimant, self.now + CLAIM_MS)
        return result

    def _is_claimed(self, profile_id: str, claimant: int) -> bool:
        claim = self._claims.get(profile_id)
        return claim is not None and claim.claimant != claimant and claim.until > self.now


def _is_of(change: Change, profile_ids: set[str]) -> bool:
    return isinstance(change, Changes) and change.fence.profile_id in profile_ids


def _stale(change: Change) -> Change:
    """No stored state has this fence."""
    assert isinstance(change, Changes)
    return replace(change, fence=Fence(change.fence.profile_id, -1, -1))


def _is_overtaken(store: Store, fence: Fence) -> bool:
    profile = store.profile(fence.profile_id)
    if profile is None or profile.id != fence.profile_id:
        return False
    return (profile.seq, profile.revision) != (fence.seq, fence.revision)
