"""The read side of a store: stored documents by key, and lists of them, newest first, a page at a time.

A backend implements `Listings`, with plain blocking methods. The HTTP side calls the lists through a `QueryPool`, which
runs them outside of the event loop; there are two for any backend, `QueryThreads` and `QueryProcess`.

Documents are bytes or text of JSON in the shapes of the HTTP API, ready to send. Times are UTC, as
`2026-01-31T12:00:00.000000Z`, so that they compare as text.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct

from trackd.core.feed_cursor import Cursor
from trackd.storage.feed import FeedFilter, FeedGroup, FeedPage, FeedRequest

MAX_PAGE_BYTES = 8_388_608


class Page(Struct, frozen=True):
    """One page of a list: `documents` is a JSON array, `next` the cursor of the following page, None on the last one.

    A page may hold fewer documents than its limit, even none, without being the last: a search examines a bounded
    number of rows for each page.
    """

    documents: bytes
    next: int | None


class PageRequest(Struct, frozen=True):
    """The page of a list that begins at `cursor` (None: the newest document), with at most `limit` documents.

    Cursors are those of `Page.next`, from the same list; a backend chooses what the number means. The page ends after
    `max_bytes` of documents, with the one that exceeds them.
    """

    cursor: int | None = None
    limit: int = 100
    max_bytes: int = MAX_PAGE_BYTES


class EventFilter(Struct, frozen=True):
    """The events that a list contains: those that match all fields; None matches any event.

    `after` and `before` bound the time of arrival, `created_after` and `created_before` that of the event: the first of
    both is included, the second is not.
    """

    type: str | None = None
    source: str | None = None
    status: str | None = None
    after: str | None = None
    before: str | None = None
    created_after: str | None = None
    created_before: str | None = None


class ProfileFilter(Struct, frozen=True):
    """The profiles that a list contains: those that match all fields; None matches any profile.

    `pii` is the path of personal data and its value, in any case. `trait` is the path of a trait, public or private.
    `value` is the trait's value as text or as JSON (5 finds 5.0); without it the trait only has to exist, a null too.
    `seen_after` is the earliest time of the profile's last call.
    """

    segment: str | None = None
    pii: tuple[tuple[str, ...], str] | None = None
    trait: tuple[str, ...] | None = None
    value: str | None = None
    seen_after: str | None = None


class RefusalFilter(Struct, frozen=True):
    """The refusals that a list contains: those that match all fields; None matches any refusal.

    `after` and `before` bound the time of arrival: the first is included, the second is not.
    """

    source: str | None = None
    status: int | None = None
    reason: str | None = None
    type: str | None = None
    profile: str | None = None
    session: str | None = None
    after: str | None = None
    before: str | None = None


class Listings(Protocol):
    """The documents of a store, read by key or as lists.

    Every read sees all commits that have returned. `session`, `event`, `feed_head` and `events_between` are fast reads
    by key, called on the event loop's thread. All others may take longer: they are called in other threads, several at
    once, and must not share a connection that cannot bear it. A method returns None when the document that it starts
    from is not stored.
    All raise StoreError when the store cannot be read.
    """

    def session(self, session_id: str) -> str | None:
        """The document of a session, as JSON text."""

    def event(self, event_id: str, profile_id: str | None = None) -> str | None:
        """The document of an event, as JSON text.

        If several profiles have an event with this id, it is the one of `profile_id`, or else the newest one.
        """

    def profile_events(self, profile_id: str, request: PageRequest) -> Page | None:
        """The events of a profile. The id of a merged profile stands for the profile that it was merged into."""

    def profile_sessions(self, profile_id: str, request: PageRequest) -> Page | None:
        """The sessions of a profile, newest first by their first call. Ids of merged profiles: as `profile_events`."""

    def session_events(self, session_id: str, request: PageRequest) -> Page | None:
        """The events of a session that belong to the session's present profile."""

    def events(self, matching: EventFilter, request: PageRequest) -> Page:
        """The events of all profiles that match a filter."""

    def profiles(self, matching: ProfileFilter, request: PageRequest) -> Page:
        """The profiles that match a filter."""

    def refusals(self, matching: RefusalFilter, request: PageRequest) -> Page:
        """The refusals that match a filter."""

    def feed(self, matching: FeedFilter, request: FeedRequest) -> FeedPage:
        """What was committed after a position. It shows a commit as a whole, but for what is deleted since."""

    def feeds(self, asked: Sequence[tuple[FeedFilter, FeedRequest]]) -> FeedGroup:
        """A page of `feed` for each request, at least the first; None for those that would take too long now."""

    def feed_head(self) -> Cursor:
        """The cursor after the last record, with refusals."""

    def events_between(self, after: int, up_to: int) -> int:
        """About how many events have numbers after one, up to another one; a store may stop to count at 10,000."""

    def profile_ids(self, after: str, limit: int, descending: bool) -> list[str]:
        """The ids of profiles in their order, those that follow `after`; with `descending` the last ones first."""

    def segment_members(self) -> dict[str, int]:
        """The number of profiles in each segment that has any, by the segment's id."""

    def count(self, kind: str) -> int:
        """The number of stored documents of a kind: "profile", "session" or "event"."""


class QueryPool(Protocol):
    """Runs the methods of `Listings` without blocking the event loop. Used on the event loop's thread only."""

    @property
    def pid(self) -> int | None:
        """The id of the process that runs them, None without one of its own."""

    async def read(self, name: str, *arguments: Any) -> Any:
        """Call the method of `Listings` with this name, and return its result. Raises StoreError."""

    async def close(self) -> None:
        """Release the threads or the process. Called once, when the server stops."""
