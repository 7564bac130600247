"""What can be asked of the stored documents beyond single reads by key: lists, page by page, the newest first."""

from typing import Protocol

from msgspec import Struct


class Page(Struct, frozen=True):
    """`documents` is a JSON array, ready to answer; `next` is the cursor of the page after it, None for the last.

    A page may hold fewer documents than it may, also none, and not be the last: a search looks at a bounded number
    of rows at a time.
    """

    documents: bytes
    next: int | None


class PageRequest(Struct, frozen=True):
    """Which page: the one after `cursor` (None: the first), of at most `limit` documents."""

    cursor: int | None = None
    limit: int = 100


class EventFilter(Struct, frozen=True):
    """Which events; None takes all. `after` and `before` are times of arrival: from the first on, up to the second."""

    type: str | None = None
    source: str | None = None
    status: str | None = None
    after: str | None = None
    before: str | None = None


class ProfileFilter(Struct, frozen=True):
    """Which profiles; None takes all. `trait` is the path of a trait, public or private, `value` its value as text.

    `seen_after`: the time of its last call.
    """

    segment: str | None = None
    trait: tuple[str, ...] | None = None
    value: str | None = None
    seen_after: str | None = None


class Listings(Protocol):
    """Each read sees what is committed. `session` and `event` are for the event loop's thread, as point reads by key.

    The others may take longer than the loop can spare: call them in threads. Documents are JSON text, as the contract
    has them; None stands for one that is not there. All raise StoreError.
    """

    def session(self, session_id: str) -> str | None: ...

    def event(self, event_id: str) -> str | None:
        """The newest of this id: clients choose ids that are unique within a profile."""

    def profile_events(self, profile_id: str, wanted: PageRequest) -> Page | None: ...

    def profile_sessions(self, profile_id: str, wanted: PageRequest) -> Page | None: ...

    def session_events(self, session_id: str, wanted: PageRequest) -> Page | None:
        """Of the profile that the session belongs to now."""

    def events(self, which: EventFilter, wanted: PageRequest) -> Page: ...

    def profiles(self, which: ProfileFilter, wanted: PageRequest) -> Page: ...

    def count(self, kind: str) -> int:
        """How many are stored; `kind` is "profile", "session" or "event"."""
