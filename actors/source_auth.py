"""Admits the calls of sources that exist, are enabled, allow the origin, and are within their rate limit."""

from collections.abc import Mapping

from trackd.actors.base import RETRY_AFTER_S, BaseActor, Handler
from trackd.actors.messages import Admitted, Reason, Refused, RulesChanged, Tick
from trackd.core.calls import Track
from trackd.core.documents import Source
from trackd.core.origins import AllowedOrigins
from trackd.core.rate_limit import Bucket, take


class SourceAuth(BaseActor):
    """Holds the sources and the state of their rate limits, and the rules that calls are admitted under.

    It reads the sources again when they have changed in the store.
    """

    def wired(self) -> None:
        self._version = -1
        self._sources: dict[str, Source] = {}
        self._origins: dict[str, AllowedOrigins] = {}
        self._buckets: dict[str, Bucket] = {}
        self._rules = self.wiring.dependencies.rules
        self._refresh()

    @classmethod
    def handlers(cls) -> Mapping[type, Handler]:
        return {Track: cls._track, Tick: cls._refresh, RulesChanged: cls._change_rules}

    def _track(self, call: Track) -> None:
        source = self._sources.get(call.source_id)
        if source is None:
            self.answer(Refused(call.number, Reason.UNKNOWN_SOURCE))
        elif not source.enabled:
            self.answer(Refused(call.number, Reason.DISABLED_SOURCE))
        elif source.origins and call.origin is not None and not self._origins[source.id].allow(call.origin):
            self.answer(Refused(call.number, Reason.FOREIGN_ORIGIN))
        elif retry_after_s := self._take(source):
            self.answer(Refused(call.number, Reason.RATE_LIMITED, retry_after_s))
        else:
            self.send(self.wiring.directory, Admitted(call, source, self._rules))

    def _take(self, source: Source) -> float:
        """Take one call from the source's rate limit; returns the seconds to wait, 0 if the call may pass."""
        if source.rate_limit is None:
            return 0.0
        if source.rate_limit <= 0:  # `trackd source` does not write that, another tool may
            return RETRY_AFTER_S
        bucket, wait_s = take(
            self._buckets.get(source.id, Bucket()), source.rate_limit, self.wiring.dependencies.monotonic()
        )
        self._buckets[source.id] = bucket
        return wait_s

    def _change_rules(self, changed: RulesChanged) -> None:
        self._rules = changed.rules

    def _refresh(self, _: Tick | None = None) -> None:
        reads = self.wiring.dependencies.reads
        version = reads.sources_version()
        if version != self._version:
            self._sources = {source.id: source for source in reads.sources()}
            self._origins = {key: AllowedOrigins(source.origins) for key, source in self._sources.items()}
            self._buckets = {key: bucket for key, bucket in self._buckets.items() if key in self._sources}
            self._version = version
