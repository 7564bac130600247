"""POST /track: decode the body, submit the call to the actors, build the answer.

A usual call takes the fast path (http/server/fast_path.py), which bypasses ASGI and calls `submit` and `build_answer`;
all others take `TrackEndpoint.__call__`.
"""

import asyncio
import time
from collections.abc import Callable

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from trackd.actors.messages import Failed, Refused
from trackd.actors.tracker import Tracker
from trackd.config.settings import Limits
from trackd.core.calls import Rejected, Track, Tracked
from trackd.http.body import Headers, check_nesting, head_bytes, headers_of, receive_body
from trackd.http.clients import Client, Clients
from trackd.http.content_types import check_content_type
from trackd.http.errors import ErrorAnswers, HttpError, failed, refused, rejected, stopping
from trackd.http.paths import paths_of
from trackd.http.track.answer import answer_body
from trackd.http.track.blocked_ids import BlockedIds
from trackd.http.track.decoding import decode
from trackd.http.track.form import json_of_call
from trackd.http.track.idempotency_key import idempotency_key
from trackd.http.track.kept_headers import NO_HEADERS, KeptHeaders
from trackd.http.track.limited_clients import LimitedClients
from trackd.http.track.payload import PayloadParser
from trackd.http.track.pending_call import PENDING_CALL, Answered, PendingCall, no_callback
from trackd.http.track.times import Clock
from trackd.http.track.turns import LARGE_BYTES, Turn, Turns
from trackd.telemetry.tally import NO_SOURCE


class TrackEndpoint:
    """An ASGI application for this one route. It answers errors itself, without Starlette's middleware."""

    def __init__(
        self,
        tracker: Tracker,
        limits: Limits,
        errors: ErrorAnswers,
        now: Callable[[], str] | None = None,
        root_path: str = "",
        kept_headers: KeptHeaders = NO_HEADERS,
        clients: Clients | None = None,
    ) -> None:
        self._tracker = tracker
        self.tally = tracker.tally
        self._limits = limits
        self._errors = errors
        self._now = now or Clock()
        self._blocked_ids = BlockedIds(limits.blocked_ids)
        self._parser = PayloadParser(limits.max_events, self._blocked_ids)
        self._kept_headers = kept_headers
        self.clients = clients or Clients()
        self._limited_clients = LimitedClients(limits, tracker.tally)
        self.turns = Turns()
        self.max_body_bytes = limits.max_body_bytes
        self.paths = paths_of("/track", root_path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        source, fault = NO_SOURCE, None
        try:
            body, source = await self._answer(scope, receive)
        except ClientDisconnect:
            return
        except HttpError as error:
            refusal, source = self._errors.answer(error, scope.get("client")), self.tally.existing(error.source)
        except asyncio.CancelledError:  # at a stop, when the commit takes longer than `stop_timeout_s`
            refusal = self._errors.answer(stopping(), scope.get("client"))
        except Exception as error:
            refusal, fault = self._errors.fault(), error
        else:
            self.tally.call_answered(200, time.perf_counter() - began, source)
            await _send(send, body)
            return
        self.tally.call_answered(refusal.status_code, time.perf_counter() - began, source)
        await refusal(scope, receive, send)
        if fault is not None:
            raise fault  # the client has its answer: the ASGI server logs the traceback

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[bytes, str]:
        """The body of a 200, and the id of its source."""
        pending: PendingCall = scope.get(PENDING_CALL) or await self._receive(scope, receive)
        match await pending.wait():
            case Tracked() as tracked:
                return answer_body(tracked), pending.request.source_id
            case Refused() as refusal:
                raise refused(refusal, pending.request)
            case Rejected() as rejection:
                raise rejected(rejection, pending.request)
            case Failed() as failure:
                raise failed(failure, pending.request)

    async def _receive(self, scope: Scope, receive: Receive) -> PendingCall:
        headers = headers_of(scope)
        client = self.clients.of(scope.get("client"))
        with self._limited_clients.receiving(client):
            check_content_type(headers, forms=True)
            received = await receive_body(headers, receive, self.max_body_bytes)
            async with Turn(self.turns, is_large=received.is_over(LARGE_BYTES)):
                body = json_of_call(headers, received.decoded())
                return self.submit(client, headers, body, len(body) + head_bytes(scope["headers"]), no_callback)

    def submit(self, client: Client, headers: Headers, body: bytes, size: int, answered: Answered) -> PendingCall:
        """Decode the body of a call and hand the call to the actors. `size`: head and body. Raises HttpError."""
        began = time.perf_counter()
        self._limited_clients.check(client)
        check_nesting(body, self._limits.max_nesting)
        call = self._decode(client, headers, body)
        self._limited_clients.take(client, call)
        pending = PendingCall(request=call, size=size, answered=answered, began=began)
        self._tracker.submit(pending)
        return pending

    def build_answer(self, pending: PendingCall, answer: Tracked) -> tuple[bytes, float]:
        """The body of a 200, and the seconds since the call was submitted. Counts the call as answered."""
        body, seconds = answer_body(answer), time.perf_counter() - pending.began
        self.tally.call_answered(200, seconds, pending.request.source_id)
        return body, seconds

    def _decode(self, client: Client, headers: Headers, body: bytes) -> Track:
        origin, user_agent = headers.get(b"origin"), headers.get(b"user-agent")
        sent = headers.get(b"x-timestamp")
        key, notes = idempotency_key(headers, self._blocked_ids)
        call = decode(
            self._parser.parse(body),
            number=self._tracker.next_number(),
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


async def _send(send: Send, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
