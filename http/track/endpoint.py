"""POST /track: decode the body, submit the call to the actors, build the answer.

A usual call takes the fast path (http/server/fast_path.py), which bypasses ASGI and calls `submit`;
all others take `TrackEndpoint.__call__`.
"""

import asyncio
import time
from collections.abc import Callable

from msgspec.structs import replace
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from trackd.actors.tracker import Tracker
from trackd.config.settings import Limits
from trackd.core.refusals import BODY_BYTES
from trackd.core.work import FULL, Allowance
from trackd.http.body import Headers, head_bytes, headers_of, receive_body
from trackd.http.clients import Client, Clients
from trackd.http.content_types import check_content_type
from trackd.http.errors import ErrorAnswers, HttpError, stopping
from trackd.http.paths import paths_of
from trackd.http.track.call_decoder import CallDecoder
from trackd.http.track.form import json_of_call
from trackd.http.track.kept_headers import NO_HEADERS, KeptHeaders
from trackd.http.track.limited_clients import LimitedClients
from trackd.http.track.outcome import body_of, send_ok
from trackd.http.track.pending_call import Answered, PendingCall, no_callback
from trackd.http.track.refused_bodies import add_body
from trackd.http.track.refused_calls import RefusedCalls
from trackd.http.track.times import Clock
from trackd.http.track.turns import Turns, in_turn, queued_size
from trackd.telemetry.tally import NO_SOURCE

TURNS_SHARE = 16  # of `max_queued_bytes`: as long as less is queued, large calls are decoded


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
        self._errors = errors
        self._now = now or Clock().now
        self._decode = CallDecoder(limits, tracker.next_number, self._now, kept_headers).decode
        self.clients = clients or Clients()
        self.limited_clients = LimitedClients(limits, tracker.tally)
        self.turns = Turns(tracker.tally, lambda: tracker.queued_bytes, limits.max_queued_bytes // TURNS_SHARE)
        self.refused_calls = RefusedCalls(tracker.refusals, tracker.tally, self._now)
        self.max_body_bytes = limits.max_body_bytes
        self.paths = paths_of("/track", root_path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        client = self.clients.of(scope.get("client"))
        try:
            pending = await self._receive(client, scope, receive)
            await pending.wait()
            body = body_of(pending)
        except ClientDisconnect:
            return
        except asyncio.CancelledError:  # at a stop, when the commit takes longer than `stop_timeout_s`
            await self.refusal(stopping(), client, began)(scope, receive, send)
        except Exception as error:
            await self.refusal(error, client, began)(scope, receive, send)
            if not isinstance(error, HttpError):
                raise  # the client has its answer: the ASGI server logs the traceback
        else:
            self.tally.call_answered(200, time.perf_counter() - began, pending.request.source_id)
            await send_ok(send, body)

    async def _receive(self, client: Client, scope: Scope, receive: Receive) -> PendingCall:
        headers, received = headers_of(scope), None
        try:
            self.limited_clients.check(client)
            check_content_type(headers, forms=True)
            received = await receive_body(headers, receive, self.max_body_bytes)

            def submit(allowance: Allowance) -> PendingCall:
                body = json_of_call(headers, received.decoded())
                size = len(body) + head_bytes(scope["headers"])
                return self.submit(client, headers, body, size, no_callback, allowance)

            return await in_turn(self.turns, client, scope, received, submit)
        except HttpError as error:
            self.limited_clients.note_refused(client, error)
            await add_body(error, headers, received, receive)
            raise

    def submit(
        self,
        client: Client,
        headers: Headers,
        body: bytes,
        size: int,
        answered: Answered,
        allowance: Allowance = FULL,
    ) -> PendingCall:
        """Decode the body of a call and hand the call to the actors. `size`: head and body. Raises HttpError."""
        self.limited_clients.check(client)
        call = self._decode(client, headers, body)
        if allowance is not FULL:
            call = replace(call, allowance=allowance)
        self.limited_clients.take(client, call)
        kept = body if len(body) <= BODY_BYTES else body[: BODY_BYTES + 1]
        pending = PendingCall(request=call, size=queued_size(size, call), answered=answered, body=kept)
        self._tracker.submit(pending)
        return pending

    def refusal(self, error: Exception, client: Client, began: float) -> Response:
        """The answer to a call that failed with this error. Counts the call as answered."""
        answer, source = self._errors.fault(), NO_SOURCE
        if isinstance(error, HttpError):
            answer, source = self._errors.answer(error, client), self.tally.existing(error.source)
        self.refused_calls.add(error, client)
        self.tally.call_answered(answer.status_code, time.perf_counter() - began, source)
        return answer
