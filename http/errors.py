"""Every answer that is not 200. Only `server/refused_requests.py` chooses status codes too, for a connection's own,
and `ui/errors.py`, for pages.

`openapi/refusals.py` describes these answers for clients. Starlette answers unknown paths with its own 404.
"""

import http
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from trackd.actors.messages import Aborted, Failed, Reason, Refused
from trackd.core.call_limits import Wait
from trackd.core.calls import InvalidEvent, Rejected, Track
from trackd.core.documents import TokenScope
from trackd.core.rules.faults import Fault
from trackd.http.clients import Client, Clients, Peer
from trackd.http.log_notes import places, shown_id
from trackd.storage.errors import DamagedRowError, StoreError
from trackd.telemetry.plain_text import plain
from trackd.telemetry.rate_limited_log import RateLimitedLog

log = logging.getLogger(__name__)

NOT_READY = "not ready"
TOO_MUCH_WORK = "too much work"
MAX_NAMED = 100
MAX_LINE = 300

STATUS = {
    Reason.UNKNOWN_SOURCE: 401,
    Reason.DISABLED_SOURCE: 401,
    Reason.FOREIGN_ORIGIN: 403,
    Reason.RATE_LIMITED: 429,
    Reason.OVERLOADED: 503,
    Reason.STOPPING: 503,
    Reason.STORE_FAILED: 503,
    Reason.CONTENDED: 503,
    Reason.TIMED_OUT: 503,
}
METHOD_NOT_ALLOWED = 405
UNSUPPORTED = 415
# Of /track, and of requests whose path is unknown.
CALL_STATUSES = sorted({200, 400, METHOD_NOT_ALLOWED, 408, 413, 414, 415, 422, 431, 500, 501, 505, *STATUS.values()})
REFUSAL_STATUSES = (401, 403, 404, METHOD_NOT_ALLOWED, 409, 410, 413, 415, 422, 429, 500, 503)  # of all other paths
METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")  # of all paths together
REQUEST_FAULT = "trackd.request_fault"  # in the scope of a request with a faulty head: the HttpError that answers it
DETAIL = {
    Reason.UNKNOWN_SOURCE: "Invalid event source `{source}`.",
    Reason.DISABLED_SOURCE: "Event source disabled.",
    Reason.FOREIGN_ORIGIN: "The event source does not take events from the origin `{origin}`.",
    Reason.RATE_LIMITED: "The event source sends more calls than its rate limit allows: send this call again later.",
    Reason.OVERLOADED: "Too many calls are waiting to be stored: send this call again later.",
    Reason.STOPPING: "The server is stopping: send this call again later.",
    Reason.STORE_FAILED: "The call could not be stored: send it again later.",
    Reason.CONTENDED: "The profile is being changed elsewhere: send this call again later.",
    Reason.TIMED_OUT: "The call was not stored in time: send it again, with the same event ids or Idempotency-Key.",
}


class HttpError(HTTPException):
    """An error answer. The client receives `detail`.

    The log gets `kind`, the class of the error, `note`, or `detail` when there is no note, and the id of the source. It
    may have no value of a client, so a `detail` that quotes one needs a note; faults are logged by place and type.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: Any,
        retry_after_s: float | None = None,
        headers: Mapping[str, str] | None = None,
        note: str | None = None,
        source: str | None = None,
    ) -> None:
        wait = {} if retry_after_s is None else {"Retry-After": str(max(1, math.ceil(retry_after_s)))}
        super().__init__(status, detail, {**(headers or {}), **wait})
        self.kind = kind
        self.note = note
        self.source = source
        self.body: bytes | None = None
        """That of the refused call, or its beginning, as far as it was read."""
        self.call: Track | None = None
        """The refused call, if it was decoded."""


class ClientLimitedError(HttpError):
    """The client has reached a limit on its calls or events. `source` is that of its last call that was taken."""

    def __init__(self, wait: Wait) -> None:
        detail = f"Your address sends more {wait.limit} than one client may: send this call again later."
        kind, status = f"too many {wait.limit} of a client", STATUS[Reason.RATE_LIMITED]
        super().__init__(status, kind, detail, wait.seconds, source=wait.source)
        self.limit = wait.limit


def refused(refusal: Refused, call: Track) -> HttpError:
    words = DETAIL[refusal.reason]
    detail = words.format(source=call.source_id, origin=call.origin)
    note = words.format(source=shown_id(call.source_id), origin="...")
    status, kind = STATUS[refusal.reason], refusal.reason.value
    return HttpError(status, kind, detail, refusal.retry_after_s, note=note, source=call.source_id)


def rejected(rejection: Rejected, call: Track) -> HttpError:
    if rejection.too_much is not None:
        return too_much_work(rejection.too_much, call.source_id)
    if rejection.too_long_ids is not None:
        return too_long_ids(rejection.too_long_ids, call.source_id)
    faults = [(event, fault) for event in rejection.events for fault in event.faults]
    logged = [
        {**_fault(event, fault), "loc": _loc(event, *(fault.known_path or fault.path))} for event, fault in faults
    ]
    return invalid([_fault(event, fault) for event, fault in faults], call.source_id, places(logged))


def _fault(event: InvalidEvent, fault: Fault) -> dict[str, Any]:
    return {"loc": _loc(event, *fault.path), "msg": fault.message, "type": "json_schema"}


def _loc(event: InvalidEvent, *path: str | int) -> list[str | int]:
    return ["body", "events", event.position, "properties", *path]


def stopping() -> HttpError:
    return HttpError(STATUS[Reason.STOPPING], Reason.STOPPING.value, DETAIL[Reason.STOPPING], retry_after_s=1)


def failed(failure: Failed, call: Track | None = None) -> HttpError:
    detail = "The server failed on this call; nothing of it was stored."
    if failure.is_damage:
        detail = "A stored row that this call needs is damaged; nothing of it was stored."
    return HttpError(500, "fault", detail, source=call.source_id if call else None)


def aborted(answer: Aborted) -> HttpError:
    """For requests that concern no source."""
    if isinstance(answer, Failed):
        return failed(answer)
    return HttpError(STATUS[answer.reason], answer.reason.value, DETAIL[answer.reason], answer.retry_after_s)


def conflict(detail: str) -> HttpError:
    return HttpError(409, "conflict", detail, note="what the request adds exists already")


def unauthenticated(kind: str) -> HttpError:
    """The answer gives no reason; `kind` is the reason for the log."""
    return HttpError(401, kind, "Not authenticated", headers={"WWW-Authenticate": "Bearer"})


def failed_too_often(retry_after_s: float) -> HttpError:
    return HttpError(
        429,
        "too many failures to authenticate",
        "Too many requests without a valid token came from this address: send this one again later, with a valid one.",
        retry_after_s,
    )


def expired(token_name: str, expires: str) -> HttpError:
    detail = f"The token expired at {expires}: `trackd token new NAME --expires 90d` makes another one."
    note = f"a request with the token `{token_name}`"
    return HttpError(401, "expired token", detail, headers={"WWW-Authenticate": "Bearer"}, note=note)


def lacks_scope(scope: TokenScope, token_name: str) -> HttpError:
    return HttpError(
        403,
        f"lacks the scope {scope}",
        f"This needs a token with the scope `{scope}`: `trackd token new NAME --scope {scope}` makes one.",
        note=f"a request with the token `{token_name}`",
    )


def unreadable(error: StoreError) -> HttpError:
    """The store cannot be read. The cause goes to the log, not to the client."""
    if isinstance(error, DamagedRowError):
        detail = "A stored row that this needs is damaged: `trackd verify` names it."
        return HttpError(500, "damaged row", detail, note=str(error))
    detail = "The store cannot be read now: send this request again later."
    return HttpError(503, "store unreadable", detail, retry_after_s=1, note=str(error))


def too_large(what: str, limit: str) -> HttpError:
    return HttpError(413, "too large", f"The {what} is over the limit of {limit}.")


def too_much_work(what: str, source: str) -> HttpError:
    """The log gets no detail: it names the type of an event, which the client chose."""
    detail = (
        f"The call takes more work than limits.max_call_work allows, at {what}. Nothing of it is stored: "
        "send its events in several calls, or smaller ones."
    )
    return HttpError(413, TOO_MUCH_WORK, detail, note="limits.max_call_work", source=source)


def too_long_ids(why: str, source: str) -> HttpError:
    detail = f"The call is not stored: {why}. Send its events in several calls, or shorter ids."
    return HttpError(413, "too long ids", detail, source=source)


def unsupported(detail: str) -> HttpError:
    return HttpError(UNSUPPORTED, "unsupported", detail, note="the content type, its charset or the content encoding")


def invalid(faults: list[dict[str, Any]], source: str | None = None, note: str | None = None) -> HttpError:
    """Each of `faults` has `loc` (its first item is "body", "query", "path" or "header"), `msg` and `type`."""
    return HttpError(422, "invalid", faults, note=places(faults) if note is None else note, source=source)


def too_many_large_calls() -> HttpError:
    detail = "Too many large calls wait for their turn: send this call again later."
    return HttpError(503, "too many large calls", detail, retry_after_s=1)


def not_found() -> Response:
    """The document does not exist: the body is `null`."""
    return Response(b"null", 404, media_type="application/json")


def unknown_segment(name: str, known: Sequence[str]) -> HttpError:
    """`known` are the ids of all segments."""
    names = ", ".join(known[:MAX_NAMED]) + (", ..." if len(known) > MAX_NAMED else "")
    remedy = f"the segments are {names}" if known else "these rules have none"
    detail = f"There is no segment `{name}`: {remedy}."
    return HttpError(404, "unknown segment", detail, note="the rules have no such segment")


def lost_position(reason: str, oldest: str) -> HttpError:
    """A feed cannot go on where its client was. `oldest` is the cursor of the oldest position."""
    return HttpError(410, "lost position", {"reason": reason, "oldest": oldest}, note="the cursor of a feed")


def too_many_subscribers(most: int) -> HttpError:
    detail = f"{most} feeds are read now, which is limits.max_subscribers: ask again later."
    return HttpError(503, "too many subscribers", detail, retry_after_s=5)


def unknown_path() -> HTTPException:
    return HTTPException(404)


def method_not_allowed(allowed: Iterable[str]) -> HTTPException:
    return HTTPException(METHOD_NOT_ALLOWED, headers=allow(allowed))


def allow(methods: Iterable[str]) -> dict[str, str]:
    return {"Allow": ", ".join(sorted(methods))}


def not_ready(detail: str) -> HttpError:
    return HttpError(503, NOT_READY, detail, retry_after_s=1)


class ErrorAnswers:
    """Turns errors into answers, and logs each class of them at most once a minute."""

    def __init__(self, clients: Clients | None = None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._clients = clients or Clients()
        self._limited_log = RateLimitedLog(monotonic)

    def answer(self, error: HTTPException, client: Client | Peer | None = None) -> Response:
        """`client`: that of the request, for the log."""
        self.log(error, client)
        return JSONResponse({"detail": error.detail}, error.status_code, error.headers)

    def log(self, error: HTTPException, client: Client | Peer | None = None) -> None:
        """For an error that is answered otherwise."""
        kind, note, source = http.HTTPStatus(error.status_code).phrase, None, None
        if isinstance(error, HttpError):
            kind, note, source = error.kind, error.note, error.source
        if kind != NOT_READY:  # it is polled often, and the log has the cause already
            self._log(error.status_code, kind, note or error.detail, source, client)

    def fault(self) -> Response:
        """The answer to an unexpected exception. The caller raises it again, which logs its traceback."""
        return JSONResponse({"detail": "Internal Server Error"}, 500)

    def _log(self, status: int, kind: str, detail: Any, source: str | None, client: Client | Peer | None) -> None:
        number = self._limited_log.due((status, kind))
        if number is None:
            return
        more = f" ({number - 1} more since the last such line)" if number > 1 else ""
        named = [f"source `{shown_id(source)}`"] if source is not None else []
        known = client if isinstance(client, Client) else self._clients.of(client)
        if known.shown:
            named.append(f"from {known.shown}")
        whose = f" ({', '.join(named)})" if named else ""
        log.warning("refused with %d, %s%s: %s%s", status, kind, more, plain(detail)[:MAX_LINE], whose)
