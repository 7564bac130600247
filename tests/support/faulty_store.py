"""A store whose faults a test switches on and off."""

import threading
from collections.abc import Iterable, Mapping, Sequence

from trackd.core.changes import Change, Changes, Erasure, Outcome
from trackd.core.documents import Profile, Session, Source, Token
from trackd.storage.memory import MemoryStore

HELD_AT_MOST_S = 60.0


class FaultyStore(MemoryStore):
    """A MemoryStore that fails, blocks or refuses on request of a test.

    `fail` holds the error to raise by the name of a method (`commit`, `check`, `sources`, `tokens`, `profile`,
    `session`, `known_events`) or by a key that is read (the id of a profile, session or event); a list of errors is
    raised one after the other, and then no more. `outcomes` holds, by profile id, the outcome of its changes, which are
    not written. With `hold`, commits block until `release()`. All three can be changed while the store is in use.
    """

    def __init__(
        self,
        sources: Iterable[Source] = (),
        *,
        hold: bool = False,
        fail: Mapping[str, Exception | list[Exception]] | None = None,
        outcomes: Mapping[str, Outcome] | None = None,
    ) -> None:
        super().__init__(sources)
        self.fail: dict[str, Exception | list[Exception]] = dict(fail or {})
        self.outcomes = dict(outcomes or {})
        self.keys_read: list[str] = []
        self.commits = 0  # that were begun
        self.committing = threading.Event()  # set while a commit is under way or was since the last `hold`
        self.committing_threads: set[threading.Thread] = set()
        self._free = threading.Event()
        if not hold:
            self._free.set()

    def hold(self) -> None:
        """Commits from now on block until `release()`."""
        self.committing.clear()
        self._free.clear()

    def release(self) -> None:
        self._free.set()

    def profile(self, profile_id: str) -> Profile | None:
        self._read("profile", profile_id)
        return super().profile(profile_id)

    def session(self, session_id: str) -> Session | None:
        self._read("session", session_id)
        return super().session(session_id)

    def known_events(self, profile_id: str, event_ids: Iterable[str]) -> dict[str, int | None]:
        event_ids = list(event_ids)
        self._read("known_events", *event_ids)
        return super().known_events(profile_id, event_ids)

    def sources(self) -> list[Source]:
        self._read("sources")
        return super().sources()

    def check(self) -> None:
        self._read("check")
        super().check()

    def tokens(self) -> list[Token]:
        self._read("tokens")
        return super().tokens()

    def commit(self, batch: Sequence[Change]) -> list[Outcome]:
        self.commits += 1
        self.committing_threads.add(threading.current_thread())
        self.committing.set()
        assert self._free.wait(HELD_AT_MOST_S), "the store was not released"
        self._raise_fault("commit")
        fixed = [self._fixed_outcome(change) for change in batch]
        written = iter(super().commit([change for change, outcome in zip(batch, fixed, strict=True) if not outcome]))
        return [outcome or next(written) for outcome in fixed]

    def _fixed_outcome(self, change: Change) -> Outcome | None:
        return self.outcomes.get(change.fence.profile_id) if isinstance(change, Changes | Erasure) else None

    def _read(self, method: str, *keys: str) -> None:
        self.keys_read += keys
        for name in (method, *keys):
            self._raise_fault(name)

    def _raise_fault(self, name: str) -> None:
        fault = self.fail.get(name)
        if isinstance(fault, list):
            fault = fault.pop(0) if fault else None
        if fault is not None:
            raise fault
