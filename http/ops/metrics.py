"""GET /metrics: the metrics of the server, in Prometheus' text format."""

import os
from collections.abc import Callable, Iterator, Mapping
from math import isinf

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from trackd.actors.tracker import Tracker
from trackd.core.refused_events import UNAPPLIED
from trackd.http.errors import REFUSAL_STATUSES
from trackd.http.feed.subscribers import Subscribers
from trackd.http.ops.counters_by_source import counters_by_source
from trackd.http.ops.feed_metrics import FeedsCollector
from trackd.http.ops.process_metrics import ProcessesCollector
from trackd.telemetry.histogram import Histogram
from trackd.telemetry.tally import LIMITS, RETENTION_TABLES


class Metrics:
    """The endpoint. `sizes` reads the bytes of the store by part, `versions` are those of `/info/version`.

    `reader_pid` is the pid of the process that reads lists, None while there is none.
    """

    def __init__(
        self,
        tracker: Tracker,
        sizes: Callable[[], Mapping[str, int]],
        versions: Mapping[str, str],
        reader_pid: Callable[[], int | None],
        subscribers: Subscribers,
    ) -> None:
        self._tally = tracker.tally
        self._registry = CollectorRegistry()
        self._registry.register(TrackdCollector(tracker, sizes, versions))
        self._registry.register(FeedsCollector(subscribers))
        processes = {"server": os.getpid, "writer": lambda: tracker.writer_pid, "reader": reader_pid}
        self._registry.register(ProcessesCollector(processes))
        ProcessCollector(registry=self._registry)

    async def get(self, request: Request) -> Response:
        by_source = counters_by_source(self._tally).encode()
        return Response(generate_latest(self._registry) + by_source, media_type=CONTENT_TYPE_PLAIN_0_0_4)


class TrackdCollector(Collector):
    """Reads trackd's tally at each scrape. prometheus-client's own counters would slow down each call."""

    def __init__(self, tracker: Tracker, sizes: Callable[[], Mapping[str, int]], versions: Mapping[str, str]) -> None:
        self._tracker = tracker
        self._sizes = sizes
        self._versions = versions

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily(
            "trackd_build", "Versions of trackd and of the software under it.", value=dict(self._versions)
        )
        yield from self._calls()
        yield from self._refusals()
        yield from self._waiting()
        yield from self._connections()
        yield from self._commits()
        yield from self._lookups()
        yield from self._retention()
        yield from self._actors()
        yield from self._storage()

    def _calls(self) -> Iterator[Metric]:
        tally = self._tracker.tally
        refused = CounterMetricFamily(
            "trackd_refused_requests",
            "Requests of other endpoints, and of paths that do not exist, that were answered with an error.",
            labels=["status"],
        )
        for status, number in sorted({**dict.fromkeys(REFUSAL_STATUSES, 0), **tally.refused_requests}.items()):
            refused.add_metric([str(status)], number)
        yield refused
        limited = CounterMetricFamily(
            "trackd_limited_calls", "Calls that were refused with 429, by the rate limit.", labels=["limit"]
        )
        for limit in LIMITS:
            limited.add_metric([limit], tally.limited_calls[limit])
        yield limited
        yield _histogram(
            "trackd_call_duration_seconds", "Seconds from a call's head to its answer.", tally.call_seconds
        )
        yield _histogram(
            "trackd_call_decision_seconds",
            "Seconds of the main thread for the decision on a call.",
            tally.decisions.seconds,
        )
        yield CounterMetricFamily(
            "trackd_calls_with_too_much_work",
            "Calls that limits.max_call_work refused.",
            value=tally.calls_with_too_much_work,
        )
        yield CounterMetricFamily(
            "trackd_postponed_calls",
            "Calls that took much work at a moment with much of it, and waited for turns.",
            value=tally.postponed_calls,
        )

    def _refusals(self) -> Iterator[Metric]:
        refusals = CounterMetricFamily(
            "trackd_refusals", "Refused calls and events that were not applied, by reason.", labels=["reason"]
        )
        none: dict[str, int] = dict.fromkeys(UNAPPLIED, 0)
        for reason, number in {**none, **self._tracker.refusals.totals}.items():
            refusals.add_metric([reason], number)
        yield refusals
        yield CounterMetricFamily(
            "trackd_refusals_left_out",
            "Refusals that GET /refusals does not have: too many at once, or not written.",
            value=self._tracker.refusals.left_out,
        )

    def _waiting(self) -> Iterator[Metric]:
        queue = self._tracker.queue
        yield _gauge(
            "trackd_ready", "1 when calls are accepted and the store takes writes, as /ready.", self._tracker.ready
        )
        yield _gauge("trackd_queued_calls", "Calls that wait to be stored.", queue.calls)
        yield _gauge("trackd_queued_calls_limit", "limits.max_queued_calls.", queue.max_calls)
        sizes = "Bytes of the heads and bodies of these calls, at least 200 for each event."
        yield _gauge("trackd_queued_bytes", sizes, queue.size)
        yield _gauge("trackd_queued_bytes_limit", "limits.max_queued_bytes.", queue.max_size)

    def _connections(self) -> Iterator[Metric]:
        tally = self._tracker.tally
        yield _gauge("trackd_connections", "Open connections.", tally.connections)
        yield _gauge("trackd_connections_limit", "server.max_connections.", tally.max_connections)
        yield CounterMetricFamily(
            "trackd_dropped_connections",
            "Connections that were closed unanswered, to make room.",
            value=tally.dropped_connections,
        )
        yield _gauge(
            "trackd_arriving_bytes",
            "Bytes of incomplete requests, waiting requests and unread answers, as limits.max_arriving_bytes counts.",
            tally.arriving_bytes,
        )
        yield _gauge("trackd_arriving_bytes_limit", "limits.max_arriving_bytes.", tally.max_arriving_bytes)

    def _commits(self) -> Iterator[Metric]:
        tally = self._tracker.tally
        yield _histogram("trackd_batch_calls", "Calls that were committed together.", tally.batch_calls)
        yield _histogram("trackd_commit_duration_seconds", "Seconds of a commit.", tally.commit_seconds)
        yield CounterMetricFamily(
            "trackd_commit_failures", "Commits that failed: nothing of them was written.", value=tally.failed_commits
        )
        yield CounterMetricFamily(
            "trackd_disk_failures",
            "Failed fsyncs and checkpoints, after which the writer process was started again.",
            value=tally.disk_failures,
        )
        stale = CounterMetricFamily(
            "trackd_stale_commits",
            "Calls and other requests that were decided on a state that was not stored any more.",
            labels=["outcome"],
        )
        for outcome, number in tally.stale_commits.items():
            stale.add_metric([outcome], number)
        yield stale
        reconnects = CounterMetricFamily(
            "trackd_store_reconnects",
            "Lost connections to the PostgreSQL database that were opened again.",
            labels=["connection"],
        )
        for connection, number in tally.store_reconnects.items():
            reconnects.add_metric([connection], number)
        yield reconnects
        yield _gauge(
            "trackd_commit_age_seconds",
            "Seconds since the commit under way began, 0 when there is none.",
            self._tracker.commit_age_s,
        )

    def _lookups(self) -> Iterator[Metric]:
        counts = self._tracker.tally.lookups
        yield CounterMetricFamily(
            "trackd_lookups", "Calls that waited for a lookup in a PostgreSQL database.", value=counts.requests
        )
        yield _histogram(
            "trackd_lookup_duration_seconds", "Seconds of a lookup, for many calls together.", counts.seconds
        )
        yield CounterMetricFamily("trackd_lookup_failures", "Lookups that failed.", value=counts.failed)

    def _retention(self) -> Iterator[Metric]:
        tally = self._tracker.tally
        deleted = CounterMetricFamily("trackd_retention_deleted", "Rows that the retention deleted.", labels=["table"])
        backlog = GaugeMetricFamily(
            "trackd_retention_backlog",
            "About how many old events are left to delete, and sessions to examine.",
            labels=["table"],
        )
        ahead = GaugeMetricFamily(
            "trackd_retention_ahead", "Rows that the last sweep found ahead of the clock.", labels=["table"]
        )
        for table in RETENTION_TABLES:
            deleted.add_metric([table], tally.retention_deleted[table])
            backlog.add_metric([table], tally.retention_backlog[table])
            ahead.add_metric([table], tally.retention_ahead[table])
        yield from (deleted, backlog, ahead)
        yield _gauge(
            "trackd_retention_stopped",
            "1 while the clock is so far ahead of the newest row that nothing is deleted.",
            tally.retention_stopped,
        )

    def _actors(self) -> Iterator[Metric]:
        tally = self._tracker.tally
        yield _gauge("trackd_active_profiles", "Profiles in memory.", tally.active_profiles)
        yield _gauge("trackd_cached_sessions", "Sessions whose profile is in memory.", tally.cached_sessions)
        yield _gauge(
            "trackd_document_bytes", "Bytes of the documents of profiles and sessions in memory.", tally.document_bytes
        )
        yield _gauge("trackd_document_bytes_limit", "actors.max_document_bytes.", self._tracker.max_document_bytes)
        yield _by_actor("trackd_actor_messages", "Messages that actors handled.", tally.messages)
        faults = {actor: tally.faults.get(actor, 0) for actor in {**tally.messages, **tally.faults}}
        yield _by_actor("trackd_actor_faults", "Messages on which an actor raised: faults of trackd.", faults)

    def _storage(self) -> Iterator[Metric]:
        sizes = GaugeMetricFamily("trackd_store_bytes", "Bytes of the store on disk, by part.", labels=["part"])
        for part, size in self._sizes().items():
            sizes.add_metric([part], size)
        yield sizes


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value=value)


def _by_actor(name: str, documentation: str, numbers: Mapping[type, int]) -> Metric:
    family = CounterMetricFamily(name, documentation, labels=["actor"])
    for actor, number in numbers.items():
        family.add_metric([actor.__name__], number)
    return family


def _histogram(name: str, documentation: str, histogram: Histogram) -> Metric:
    buckets = [("+Inf" if isinf(bound) else str(bound), number) for bound, number in histogram.cumulative()]
    return HistogramMetricFamily(name, documentation, buckets=buckets, sum_value=histogram.total)
