"""Mutants: trackd with one of six faults on purpose, which the simulation and the load test have to find.

`MUTANTS` are context managers that put the fault into this process. `python -m tests.mutants NAME serve ...` is
`trackd serve ...` with the fault. A single server that never crashes does not show some faults, so there commits fail
or profiles are evicted too: see `SERVED`.
"""

import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from msgspec.structs import replace

from trackd.actors.actor_pool import ActiveProfile
from trackd.actors.base import BaseActor
from trackd.actors.directory import ProfileDirectory
from trackd.actors.event_writer import EventWriter
from trackd.actors.messages import Activate, Admitted, Commit, Deliver
from trackd.actors.profile import ProfileActor
from trackd.core.calls import Answer
from trackd.core.changes import Changes, Fence
from trackd.core.documents import Profile, Session
from trackd.storage.errors import StoreError
from trackd.storage.lookups import Loaded
from trackd.storage.store import Reads
from trackd.storage.writer import BatchResult

Mutant = Callable[[], AbstractContextManager[None]]

FAILS_EVERY, EVICTS_EVERY = 10, 50  # batches and calls of a served mutant


@contextmanager
def put(owner: Any, **replacements: Any) -> Iterator[None]:
    """Replace attributes of a class for a while."""
    own = {name: getattr(owner, name) for name in replacements}
    _set(owner, replacements)
    try:
        yield
    finally:
        _set(owner, own)


def _set(owner: Any, attributes: Mapping[str, Any]) -> None:
    for name, value in attributes.items():
        setattr(owner, name, value)
    if issubclass(owner, BaseActor):
        owner.__init_subclass__()  # its handlers are looked up once


@contextmanager
def no_fence() -> Iterator[None]:
    """(c) Commits do not check the fence.

    Before a batch is submitted, each change gets the fence of the stored state, so that it fits with any writer.
    """
    submit = EventWriter._submit

    def submit_unfenced(self: Any, batch: Sequence[Any]) -> None:
        submit(self, list(unfenced(batch, self.wiring.dependencies.reads)))

    with put(EventWriter, _submit=submit_unfenced):
        yield


def unfenced(batch: Sequence[Any], reads: Reads) -> Iterator[Any]:
    """The batch, with fences as if each change depended on the changes before it and on the stored state."""
    profiles: dict[str, Profile | None] = {}
    sessions: dict[str, Session | None] = {}
    for message in batch:
        if not isinstance(message, Commit):
            yield message
            continue
        changes, profile_id = message.change, message.change.fence.profile_id
        if profile_id not in profiles:
            profiles[profile_id] = stored(reads.profile, profile_id)
        profile = profiles[profile_id]
        changes = replace(changes, fence=Fence(profile_id, profile.seq, profile.revision) if profile else changes.fence)
        if isinstance(changes, Changes):
            profiles[profile_id] = changes.profile or profile
            if changes.session is not None:
                session_id = changes.session.id
                if session_id not in sessions:
                    sessions[session_id] = stored(reads.session, session_id)
                session = sessions[session_id]
                changes = replace(
                    changes, previous_owner=session.profile_id if session else None, previous_updated=None
                )
                sessions[session_id] = changes.session
        yield replace(message, change=changes)


def stored(read: Callable[[str], Any], key: str) -> Any:
    """The stored document; None if it does not exist, cannot be read, or the id leads to another one."""
    try:
        found = read(key)
    except StoreError:
        return None
    return found if found is not None and found.id == key else None


@contextmanager
def two_actors() -> Iterator[None]:
    """(a) A second actor of each profile gets every second call. The fence, which would reject that, is off too."""
    wired = ProfileDirectory.wired

    def wired_with_twins(self: Any) -> None:
        wired(self)
        get, twins, turns = self._pool.get, dict[str, ActiveProfile](), itertools.cycle((False, True))

        def get_either(profile_id: str) -> ActiveProfile | None:
            if not next(turns):
                own: ActiveProfile | None = get(profile_id)
                return own
            if profile_id not in twins:
                first = Activate(profile_id, self.wiring.dependencies.reads.profile(profile_id))
                twins[profile_id] = ActiveProfile(self._new_actor(), first)
            return twins[profile_id]

        self._pool.get = get_either

    with no_fence(), put(ProfileDirectory, wired=wired_with_twins):
        yield


@contextmanager
def answer_before_commit() -> Iterator[None]:
    """(b) Calls are answered when they are decided, before they are on disk."""
    early: set[int] = set()
    enqueue, answer = EventWriter._enqueue, ProfileDirectory.answer

    def answer_and_enqueue(self: Any, message: Any) -> None:
        if isinstance(message, Commit) and message.number not in early:
            early.add(message.number)
            self.answer(message.answer)
        enqueue(self, message)

    def answer_others(self: Any, *answers: Answer) -> None:
        answer(self, *(each for each in answers if each.number not in early))

    with put(EventWriter, _enqueue=answer_and_enqueue), put(ProfileDirectory, answer=answer_others):
        yield


@contextmanager
def keep_duplicates() -> Iterator[None]:
    """(d) Duplicates of events are stored again."""
    deliver = ProfileActor._deliver

    def deliver_as_new(self: Any, delivered: Deliver) -> None:
        call = delivered.admitted.call
        events = tuple(replace(event, own_id=False) for event in call.events)
        deliver(self, replace(delivered, admitted=replace(delivered.admitted, call=replace(call, events=events))))

    with put(ProfileActor, _deliver=deliver_as_new):
        yield


@contextmanager
def no_reset() -> Iterator[None]:
    """(e) After a commit that failed, actors continue from the state that was not stored."""
    with put(ProfileDirectory, _roll_back=lambda self, entry, lost_sessions: None):
        yield


@contextmanager
def failing_commits(every: int = FAILS_EVERY) -> Iterator[None]:
    """Every n-th batch with calls fails, and is not written."""
    submit, numbers = EventWriter._submit, itertools.count(1)

    def submit_or_fail(self: Any, batch: Sequence[Any]) -> None:
        if any(isinstance(message, Commit) for message in batch) and next(numbers) % every == 0:
            self._batch = batch
            self._finish(BatchResult(error=StoreError("a mutant fails on purpose")))
        else:
            submit(self, batch)

    with put(EventWriter, _submit=submit_or_fail):
        yield


@contextmanager
def evicting(every: int = EVICTS_EVERY) -> Iterator[None]:
    """For every n-th call the profile is read from disk in spite of calls in flight, as another node would do."""
    hand_over, numbers = ProfileDirectory._hand_over, itertools.count(1)

    def evict_and_hand_over(self: Any, admitted: Admitted) -> None:
        owner = self._owners.get(admitted.call.session_id)
        if owner is not None and next(numbers) % every == 0:
            self._pool.discard(owner.profile_id)
        hand_over(self, admitted)

    with put(ProfileDirectory, _hand_over=evict_and_hand_over):
        yield


@contextmanager
def old_lookups() -> Iterator[None]:
    """(f) What was looked up is used though a commit has changed it since."""
    with put(Loaded, update=lambda self, finished: None):
        yield


MUTANTS: dict[str, Mutant] = {
    "two-actors": two_actors,
    "answer-before-commit": answer_before_commit,
    "no-fence": no_fence,
    "duplicates": keep_duplicates,
    "no-reset": no_reset,
    "old-lookups": old_lookups,
}

# For a client `no-reset` shows as a gap in the numbers only without the fence; with it, calls are refused for ever.
SERVED: dict[str, tuple[Mutant, ...]] = {
    "two-actors": (two_actors,),
    "answer-before-commit": (answer_before_commit, failing_commits),
    "no-fence": (no_fence, evicting),
    "duplicates": (keep_duplicates,),
    "no-reset": (no_reset, no_fence, failing_commits),
}


def main() -> None:
    from trackd.cli.main import main as trackd

    if len(sys.argv) < 3 or sys.argv[1] not in SERVED:
        sys.exit(f"usage: python -m tests.mutants {'|'.join(SERVED)} serve [OPTIONS OF trackd serve]")
    name = sys.argv.pop(1)
    with ExitStack() as stack:
        for mutant in SERVED[name]:
            stack.enter_context(mutant())
        trackd()


if __name__ == "__main__":
    main()
