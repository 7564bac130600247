"""trackd, broken on purpose in one of five ways: what judges trackd has to notice each of them.

`MUTANTS` are context managers; inside them trackd is broken, in this process. `python -m tests.mutants NAME serve ...`
is `trackd serve ...`, broken. A server does not crash and has no second node beside it, so there it fails on purpose or
forgets as well: see `SERVED`.
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
from trackd.actors.guardian import Guardian
from trackd.actors.messages import Activate, Admitted, Answered, Commit, Deliver
from trackd.actors.profile import ProfileActor
from trackd.core.changes import Changes, Fence
from trackd.core.documents import Profile, Session
from trackd.storage.errors import StoreError
from trackd.storage.store import Reads
from trackd.storage.writer import BatchResult

Mutant = Callable[[], AbstractContextManager[None]]

FAILS_EVERY, FORGETS_EVERY = 10, 50  # batches and calls of a served mutant


@contextmanager
def put(owner: Any, **replacements: Any) -> Iterator[None]:
    """These in the place of the owner's own, for a while."""
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
    """(c) A commit does not look whether somebody else moved the profile or the session.

    Each change is given what is stored when its batch is handed over: whatever the writer is, it finds that it fits.
    """
    hand_over = EventWriter._submit

    def hand_over_unfenced(self: Any) -> None:
        if self._batch:
            self._batch = list(unfenced(self._batch, self.wiring.dependencies.reads))
        hand_over(self)

    with put(EventWriter, _submit=hand_over_unfenced):
        yield


def unfenced(batch: Sequence[Any], reads: Reads) -> Iterator[Any]:
    """The batch, each change as if it had been built on those before it and on what is stored."""
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
    """None as well when it cannot be read, or when the id leads to another."""
    try:
        found = read(key)
    except StoreError:
        return None
    return found if found is not None and found.id == key else None


@contextmanager
def two_actors() -> Iterator[None]:
    """(a) Every second call of a profile goes to another actor of it. Without the fence: that would find out."""
    wired = ProfileDirectory.wired

    def wired_with_twins(self: Any) -> None:
        wired(self)
        activate, twins, turns = self._pool.activate, dict[str, ActiveProfile](), itertools.cycle((False, True))

        def activate_either(profile_id: str, stored: Any) -> ActiveProfile:
            if not next(turns):
                own: ActiveProfile = activate(profile_id, stored)
                return own
            if profile_id not in twins:
                first = Activate(profile_id, stored or self.wiring.dependencies.reads.profile(profile_id))
                twins[profile_id] = ActiveProfile(self._new_actor(), first)
            return twins[profile_id]

        self._pool.activate = activate_either

    with no_fence(), put(ProfileDirectory, wired=wired_with_twins):
        yield


@contextmanager
def answer_before_commit() -> Iterator[None]:
    """(b) A call is answered when it is decided, not when it is on disk."""
    early: set[int] = set()
    enqueue, answered = EventWriter._enqueue, Guardian._answered

    def answer_and_enqueue(self: Any, message: Any) -> None:
        if isinstance(message, Commit) and message.number not in early:
            self.answer(message.answer)
        enqueue(self, message)

    def answered_once(self: Any, message: Answered) -> None:
        new = [answer for answer in message.answers if answer.number not in early]
        early.update(answer.number for answer in new)
        answered(self, Answered(tuple(new)))

    with put(EventWriter, _enqueue=answer_and_enqueue), put(Guardian, _answered=answered_once):
        yield


@contextmanager
def keep_duplicates() -> Iterator[None]:
    """(d) An event that comes again is recorded again."""
    deliver = ProfileActor._deliver

    def deliver_as_new(self: Any, delivered: Deliver) -> None:
        events = tuple(replace(event, own_id=False) for event in delivered.call.events)
        deliver(self, replace(delivered, call=replace(delivered.call, events=events)))

    with put(ProfileActor, _deliver=deliver_as_new):
        yield


@contextmanager
def no_reset() -> Iterator[None]:
    """(e) After a commit that failed the actors go on with what was not stored."""
    with put(ProfileDirectory, _roll_back=lambda self, entry, lost_sessions: None):
        yield


@contextmanager
def failing_commits(every: int = FAILS_EVERY) -> Iterator[None]:
    """Of the batches with calls in them, each n-th is not written."""
    hand_over, numbers = EventWriter._submit, itertools.count(1)

    def hand_over_or_fail(self: Any) -> None:
        if any(isinstance(message, Commit) for message in self._batch) and next(numbers) % every == 0:
            self._finish(BatchResult(error=StoreError("a mutant fails on purpose")))
        else:
            hand_over(self)

    with put(EventWriter, _submit=hand_over_or_fail):
        yield


@contextmanager
def forgetful(every: int = FORGETS_EVERY) -> Iterator[None]:
    """Each n-th call finds its profile as it is on disk, whatever is in flight: as another node would."""
    deliver, numbers = ProfileDirectory._hand_over, itertools.count(1)

    def forget_and_deliver(self: Any, admitted: Admitted) -> None:
        link = self._owners.get(admitted.call.session_id)
        if link is not None and next(numbers) % every == 0:
            self._pool.discard(link.profile_id)
        deliver(self, admitted)

    with put(ProfileDirectory, _hand_over=forget_and_deliver):
        yield


MUTANTS: dict[str, Mutant] = {
    "two-actors": two_actors,
    "answer-before-commit": answer_before_commit,
    "no-fence": no_fence,
    "duplicates": keep_duplicates,
    "no-reset": no_reset,
}

# What a client can see of it: without the fence what is not reset shows as a gap, with it as calls refused for ever.
SERVED: dict[str, tuple[Mutant, ...]] = {
    "two-actors": (two_actors,),
    "answer-before-commit": (answer_before_commit, failing_commits),
    "no-fence": (no_fence, forgetful),
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
