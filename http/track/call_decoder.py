"""From the body and the headers of a call to the message that the actors handle."""

from collections.abc import Callable

from trackd.config.settings import Limits
from trackd.core.calls import Track
from trackd.http.body import Headers, check_nesting
from trackd.http.clients import Client
from trackd.http.track.blocked_ids import BlockedIds
from trackd.http.track.decoding import decode
from trackd.http.track.idempotency_key import idempotency_key
from trackd.http.track.kept_headers import KeptHeaders
from trackd.http.track.payload import PayloadParser


class CallDecoder:
    """Decodes calls, each with the number that `next_number` gives it and the time of `now`."""

    def __init__(
        self, limits: Limits, next_number: Callable[[], int], now: Callable[[], str], kept_headers: KeptHeaders
    ) -> None:
        self._max_nesting = limits.max_nesting
        self._blocked_ids = BlockedIds(limits.blocked_ids)
        self._parser = PayloadParser(limits.max_events, self._blocked_ids)
        self._next_number = next_number
        self._now = now
        self._kept_headers = kept_headers

    def decode(self, client: Client, headers: Headers, body: bytes) -> Track:
        """The call of a decoded body. Raises HttpError."""
        check_nesting(body, self._max_nesting)
        origin, user_agent = headers.get(b"origin"), headers.get(b"user-agent")
        sent = headers.get(b"x-timestamp")
        key, notes = idempotency_key(headers, self._blocked_ids)
        call = decode(
            self._parser.parse(body),
            number=self._next_number(),
            received=self._now(),
            idempotency_key=key,
            origin=origin.decode(errors="replace") if origin is not None else None,
            ip=client.ip,
            client=client.key,
            user_agent=user_agent.decode("latin-1") if user_agent is not None else None,
            sent=sent.decode("latin-1") if sent is not None else None,
            notes=notes,
        )
        return self._kept_headers.added_to(call, headers)
