"""The way of requests to the actors: at once, or after a lookup of what they need from a store over a network.

A request goes to the actors first. When one of them misses something that is not in memory (NotLoadedError), nothing of
the request has happened, and it waits here for a lookup. One lookup at a time is under way, for all requests that wait.
With its result in reach they are sent again, in the order of their arrival; what they do not use is dropped. Until then
later calls of the same session or profile wait behind them.

What has changed since the lookup: commits of this node remove what they wrote from the result, and a request that needs
it waits for another lookup. Commits of other nodes are found by the fence.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from thespian.actors import ActorAddress

from trackd.actors.messages import Admitted, Erase, Fetch, Reevaluate
from trackd.core.calls import Request, Track
from trackd.core.changes import Change, Outcome
from trackd.storage.errors import StoreError
from trackd.storage.lookups import Loaded, LoadedReads, Lookups, Wanted
from trackd.storage.store import ReadsByKey
from trackd.storage.writer import BatchResult
from trackd.telemetry.tally import Tally

MAX_REQUESTS = 256  # in a lookup: it bounds the documents that are loaded

Tell = Callable[[ActorAddress, Any], None]
Submit = Callable[[Sequence[Change]], None]
LookedUp = Callable[[Loaded | StoreError], None]
MakeLookups = Callable[[LookedUp], Lookups]


class Direct:
    """The way of a store whose reads are there at once."""

    def __init__(self, store: ReadsByKey, tell: Tell, submit: Submit) -> None:
        self.by_key, self.tell, self.submit = store, tell, submit

    def load(self, address: ActorAddress, request: Request[Any], wanted: Wanted) -> None:
        raise AssertionError("its reads miss nothing")

    def committed(self, result: BatchResult) -> None:
        pass

    def close(self) -> None:
        pass


class _Waiting(NamedTuple):
    """`is_tried`: it has reached the actors, which wait for `wanted`. Others wait behind one of their session."""

    address: ActorAddress
    request: Request[Any]
    wanted: Wanted
    is_tried: bool


class Loader:
    """The way of a store over a network. Used on the event loop's thread only.

    `tell` sends a message to an actor; `submit` begins to commit a batch, whose end `committed` reports.
    """

    def __init__(
        self,
        tell: Tell,
        submit: Submit,
        tally: Tally,
        make_lookups: MakeLookups,
        soon: Callable[[Callable[[], None]], object],
        handed_over: Callable[[], None] = lambda: None,
    ) -> None:
        """`soon` calls a function when the requests that arrive together have arrived.

        `handed_over` is called when the actors have handled the requests of a lookup.
        """
        self._tell, self._submit, self._counts, self._soon = tell, submit, tally.lookups, soon
        self._ended = handed_over
        self._lookups = make_lookups(self._loaded)
        self._reads = LoadedReads()
        self.by_key: ReadsByKey = self._reads
        self._waiting: list[_Waiting] = []
        self._leaders: dict[tuple[str, str], _Waiting] = {}  # the last that waits, by key: see `_keys`
        self._under_way: list[_Waiting] | None = None
        self._is_due = False  # a lookup begins soon
        self._began = 0.0
        self._handed_over: _Waiting | None = None  # it is with the actors, which read what was loaded
        self._batch: Sequence[Change] = ()  # of the commit under way
        self._finished: list[tuple[Change, Outcome]] = []  # of the commits that have ended during the lookup

    @property
    def waiting(self) -> int:
        """How many requests wait for a lookup."""
        return len(self._waiting) + len(self._under_way or ())

    def tell(self, address: ActorAddress, request: Request[Any]) -> None:
        """Send a request to an actor, or let it wait behind one of its session or its profile that waits."""
        leader = self._leader(request)
        if leader is None:
            self._tell(address, request)
        else:
            self._wait(_Waiting(address, request, _wanted_behind(request, leader), is_tried=False))

    def load(self, address: ActorAddress, request: Request[Any], wanted: Wanted) -> None:
        """Send a request to an actor again after a lookup, for it has missed something."""
        before = self._handed_over
        if before is not None and before.request.number == request.number:
            wanted.add(before.wanted)
        if wanted.sessions or wanted.profiles:
            wanted.add(_wanted_by(request))
        self._wait(_Waiting(address, request, wanted, is_tried=True))

    def submit(self, batch: Sequence[Change]) -> None:
        self._batch = batch
        self._submit(batch)

    def committed(self, result: BatchResult) -> None:
        """The commit under way has ended. Without outcomes anything may be written."""
        if self._under_way is not None:
            is_known = len(result.outcomes) == len(self._batch)
            outcomes = result.outcomes if is_known else [Outcome.FAILED] * len(self._batch)
            self._finished += zip(self._batch, outcomes, strict=True)
        self._batch = ()

    def close(self) -> None:
        self._lookups.close()

    def _leader(self, request: Request[Any]) -> _Waiting | None:
        if self._leaders:
            for key in _keys(request):
                if key in self._leaders:
                    return self._leaders[key]
        return None

    def _wait(self, waiting: _Waiting) -> None:
        self._waiting.append(waiting)
        for key in _keys(waiting.request):
            self._leaders[key] = waiting
        if not self._is_due and self._under_way is None:
            self._is_due = True
            self._soon(self._begin)

    def _begin(self) -> None:
        self._is_due = False
        self._under_way, self._waiting = self._waiting[:MAX_REQUESTS], self._waiting[MAX_REQUESTS:]
        wanted = Wanted()
        for waiting in self._under_way:
            wanted.add(waiting.wanted)
        self._counts.requests += len(self._under_way)
        self._finished = []
        self._began = time.monotonic()
        self._lookups.submit(wanted)

    def _loaded(self, result: Loaded | StoreError) -> None:
        """Send the requests of the lookup again, then those that have waited behind them."""
        self._counts.seconds.observe(time.monotonic() - self._began)
        if isinstance(result, Loaded):
            result.update(self._finished)
        else:
            self._counts.failed += 1
        handed_over, self._under_way = self._under_way or [], None
        arrived, self._waiting = self._waiting, []
        self._leaders.clear()
        self._reads.use(result)
        for waiting in handed_over:
            self._hand_over(waiting)
        self._reads.use(Loaded())
        for waiting in arrived:
            if waiting.is_tried:
                self._wait(waiting)
            else:
                self._hand_over(waiting)
        self._ended()

    def _hand_over(self, waiting: _Waiting) -> None:
        if self._leader(waiting.request) is not None:
            self._wait(waiting)
            return
        self._handed_over = waiting
        self._tell(waiting.address, waiting.request)
        self._handed_over = None


def _keys(request: Request[Any]) -> list[tuple[str, str]]:
    """The session and the profile of a request, as far as it names them."""
    call = request.call if isinstance(request, Admitted) else request
    if isinstance(call, Track):
        session = ("session", call.session_id)
        return [session] if call.profile_id is None else [session, ("profile", call.profile_id)]
    return [("profile", call.profile_id)] if isinstance(call, Erase | Reevaluate | Fetch) else []


def _wanted_by(request: Request[Any]) -> Wanted:
    """Everything that may be needed for a request of which nothing is in memory."""
    call = request.call if isinstance(request, Admitted) else request
    if isinstance(call, Erase | Reevaluate | Fetch):
        return Wanted(profiles={call.profile_id})
    if not isinstance(call, Track):
        return Wanted()
    derived_id = call.derived_profile_id
    profiles = {profile_id for profile_id in (call.profile_id, derived_id) if profile_id}
    own_ids = _own_ids(call)
    return Wanted(
        sessions={call.session_id},
        profiles=profiles,
        events={(profile_id, event_id) for profile_id in profiles for event_id in own_ids},
        owned={(call.session_id, event_id) for event_id in own_ids},
        erased={derived_id} if derived_id else set(),
    )


def _wanted_behind(request: Request[Any], leader: _Waiting) -> Wanted:
    """Also the events of the profile that the one before it belongs to: its session may not be stored yet."""
    wanted = _wanted_by(request)
    if isinstance(request, Track):
        profiles = {profile_id for profile_id, _ in leader.wanted.events}
        wanted.events |= {(profile_id, event_id) for profile_id in profiles for event_id in _own_ids(request)}
    return wanted


def _own_ids(call: Track) -> list[str]:
    return [event.id for event in call.events if event.own_id]
