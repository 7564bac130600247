"""Counts of what happened since the start. `http/ops/metrics.py` exposes them."""

from collections import defaultdict

from trackd.core.calls import EventOutcome
from trackd.telemetry.decision_times import DecisionTimes
from trackd.telemetry.histogram import Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
NO_SOURCE = ""
RETENTION_TABLES = ("event", "session")
LIMITS = ("source", "client_calls", "client_events")
STALE_OUTCOMES = ("retried", "paused", "refused")  # decided again at once, or after a pause; answered 503
RECONNECTED = ("notifications", "writer")  # connections to the database that were lost, and opened again
BATCH_CALLS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)


class LookupCounts:
    """Lookups; none with a store whose reads are there at once. `requests` are those that waited for one."""

    def __init__(self) -> None:
        self.requests = self.failed = 0
        self.seconds = Histogram(SECONDS)


class Tally:
    """Plain attributes, which the actors and the HTTP side increment on the event loop's thread."""

    def __init__(self) -> None:
        self.calls: defaultdict[tuple[str, int], int] = defaultdict(int)
        """Calls of `/track` and requests that their connection refused, by source id (see `sources`) and status."""
        self.limited_calls: defaultdict[str, int] = defaultdict(int)
        """Calls that were refused because of a rate limit, by the limit, one of LIMITS."""
        self.sources: frozenset[str] = frozenset()
        """The ids of all sources. Others are counted under NO_SOURCE: clients must not make labels."""
        self.consent_sources: frozenset[str] = frozenset()
        """The ids of the sources that require consent."""
        self.refused_requests: defaultdict[int, int] = defaultdict(int)
        """Requests of other endpoints, and of paths that do not exist, that were answered with an error, by status."""
        self.call_seconds = Histogram(SECONDS)
        self.events: defaultdict[tuple[str, EventOutcome], int] = defaultdict(int)
        """Events of answered calls, by source id and outcome."""
        self.batch_calls = Histogram(BATCH_CALLS)
        self.commit_seconds = Histogram(SECONDS)
        self.failed_commits, self.stale_commits = 0, dict.fromkeys(STALE_OUTCOMES, 0)
        self.commit_began: float | None = None
        """The monotonic time when the commit under way began, None when there is none."""
        self.retention_deleted = dict.fromkeys(RETENTION_TABLES, 0)
        """Rows that the retention deleted, by table."""
        self.retention_backlog = dict.fromkeys(RETENTION_TABLES, 0)
        """About how many rows its last steps left, by table; see `Swept`."""
        self.retention_ahead = dict.fromkeys(RETENTION_TABLES, 0)
        """Rows ahead of the clock that the last sweeps found, by table."""
        self.retention_stopped = False
        """Whether the clock stops the retention."""
        self.disk_failures, self.store_reconnects = 0, dict.fromkeys(RECONNECTED, 0)
        """Failed fsyncs and checkpoints, after which the writer process is started again."""
        self.handled: defaultdict[type, list[int]] = defaultdict(lambda: [0])
        """By class of actor, a list with the number of messages handled: an actor looks it up once."""
        self.faults: defaultdict[type, int] = defaultdict(int)
        """Messages on which a handler raised, by class of actor."""
        self.decisions, self.lookups = DecisionTimes(), LookupCounts()
        self.calls_with_too_much_work = 0
        """Calls that `limits.max_call_work` refused."""
        self.postponed_calls = 0
        """Calls that took more than their allowance of work, and came again in a turn."""
        self.long_call = self.long_call_work = 0
        """The number and the units of work of the last call that took more than `LONG_CALL`, until it is taken."""
        self.active_profiles = 0
        """Active profiles at the directory's last tick."""
        self.cached_sessions = 0
        """Session owners in memory at the directory's last tick."""
        self.document_bytes = 0
        """Bytes of the documents of profiles and sessions in memory at the directory's last tick."""
        self.connections = self.max_connections = self.arriving_bytes = self.max_arriving_bytes = 0
        """At the server's last sweep over its connections; 0 when another server runs the application."""
        self.dropped_connections = 0
        """Connections that were closed to make room for others or for what they hold, or in a burst unserved."""

    @property
    def messages(self) -> dict[type, int]:
        """Messages handled, by class of actor."""
        return {actor: number for actor, [number] in self.handled.items()}

    def existing(self, source: str | None) -> str:
        """The id of a source if it exists, otherwise NO_SOURCE."""
        return source if source is not None and source in self.sources else NO_SOURCE

    def call_answered(self, status: int, seconds: float, source: str = NO_SOURCE) -> None:
        """`source` exists."""
        self.calls[source, status] += 1
        self.call_seconds.observe(seconds)

    def count_reconnect(self) -> None:
        """A lost connection to the database was opened again. Called in one other thread."""
        self.store_reconnects["notifications"] += 1

    def request_refused(self, status: int) -> None:
        """Count a request that is no complete call, so that it has no duration of a call."""
        self.calls[NO_SOURCE, status] += 1
