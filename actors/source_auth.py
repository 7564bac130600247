"""Admits the calls of sources that exist, are enabled, allow the origin, and are within their rate limit."""

import logging
from collections.abc import Mapping

from trackd.actors.base import RETRY_AFTER_S, BaseActor, Handler
from trackd.actors.messages import Admitted, Reason, Refused, RulesChanged, Tick
from trackd.core.call_limits import SourceLimits
from trackd.core.calls import Track
from trackd.core.documents import Source
from trackd.core.origins import AllowedOrigins
from trackd.storage.errors import StoreError
from trackd.telemetry.rate_limited_log import RateLimitedLog

log = logging.getLogger(__name__)

UNREAD = -1  # the version of the sources before they are read


class SourceAuth(BaseActor):
    """Holds the sources and the state of their rate limits, and the rules that calls are admitted under.

    It reads the sources again when they have changed in the store.
    """

    def wired(self) -> None:
        self._version = UNREAD
        self._limited_log = RateLimitedLog(self.wiring.dependencies.monotonic)
        self._sources: dict[str, Source] = {}
        self._origins: dict[str, AllowedOrigins] = {}
        dependencies = self.wiring.dependencies
        self._tally, self._monotonic = dependencies.tally, dependencies.monotonic
        self._source_limits = SourceLimits()
        self._rules = dependencies.rules
        self._refresh()

    @classmethod
    def handlers(cls) -> Mapping[type, Handler]:
        return {Track: cls._track, Tick: cls._refresh, RulesChanged: cls._change_rules}

    def _track(self, call: Track) -> None:
        source = self._sources.get(call.source_id)
        if source is None:
            self.answer(self._refuse_unknown(call))
        elif not source.enabled:
            self.answer(Refused(call.number, Reason.DISABLED_SOURCE))
        elif source.origins and call.origin is not None and not self._origins[source.id].allow(call.origin):
            self.answer(Refused(call.number, Reason.FOREIGN_ORIGIN))
        elif source.rate_limit is not None and (wait_s := self._take(call, source.rate_limit)):
            self._tally.limited_calls["source"] += 1
            self.answer(Refused(call.number, Reason.RATE_LIMITED, wait_s))
        else:
            self.send(self.wiring.directory, Admitted(call, source, self._rules))

    def _refuse_unknown(self, call: Track) -> Refused:
        """A client drops its events after a 401: a source that cannot be read now is no reason."""
        if self._version == UNREAD or self.wiring.dependencies.reads.is_damaged_source(call.source_id):
            return Refused(call.number, Reason.STORE_FAILED, RETRY_AFTER_S)
        return Refused(call.number, Reason.UNKNOWN_SOURCE)

    def _take(self, call: Track, rate: float) -> float:
        """Take the call from its source's rate limit; returns the seconds to wait, 0 if it may pass."""
        if call.allowance.is_repeated:
            return 0.0
        if rate <= 0:  # `trackd source` does not write that, another tool may
            return RETRY_AFTER_S
        return self._source_limits.take(call.source_id, rate, call.client, self._monotonic())

    def _change_rules(self, changed: RulesChanged) -> None:
        self._rules = changed.rules

    def _refresh(self, _: Tick | None = None) -> None:
        """Read the sources again if they have changed. Those of the last reading stay while they cannot be read."""
        reads = self.wiring.dependencies.reads
        try:
            version = reads.sources_version()
            sources = reads.sources() if version != self._version else None
        except StoreError as error:
            if self._limited_log.due("unreadable") is not None:
                log.error("the sources cannot be read: %s", error)
            return
        if sources is not None:
            self._sources = {source.id: source for source in sources}
            self._origins = {key: AllowedOrigins(source.origins) for key, source in self._sources.items()}
            self._source_limits.keep(set(self._sources))
            self._tally.sources = frozenset(self._sources)
            self._tally.consent_sources = frozenset(source.id for source in sources if source.consent)
            self._version = version
