"""The limits on calls and events of each client. They are checked before a call is read: refusing it costs little."""

import time
from collections.abc import Callable

from trackd.config.settings import Limits
from trackd.core.call_limits import ClientLimits
from trackd.core.calls import Track
from trackd.http.clients import Client
from trackd.http.errors import ClientLimitedError, HttpError
from trackd.telemetry.tally import Tally


class LimitedClients:
    """Counts the calls of each client, those that cannot be decoded too, and refuses those past a limit."""

    def __init__(self, limits: Limits, tally: Tally, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limits = ClientLimits(limits.client_calls_per_s, limits.client_events_per_s)
        self._tally = tally
        self._monotonic = monotonic

    def check(self, client: Client) -> None:
        """Raises ClientLimitedError when a call of the client may not pass."""
        if client.key is not None and (wait := self._limits.wait(client.key, self._monotonic())):
            raise ClientLimitedError(wait)

    def take(self, client: Client, call: Track) -> None:
        """Count a decoded call, unless it was postponed."""
        if client.key is not None and not call.allowance.is_repeated:
            self._limits.take(client.key, len(call.events), self._monotonic(), call.source_id)

    def note_refused(self, client: Client, error: Exception) -> None:
        """Count a call that was not handed to the actors."""
        if isinstance(error, ClientLimitedError):
            self._tally.limited_calls[f"client_{error.limit}"] += 1
        elif isinstance(error, HttpError) and client.key is not None:
            self._limits.take(client.key, 0, self._monotonic())
