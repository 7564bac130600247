"""From the answer of the actors to the body of a 200, or to an error."""

from starlette.types import Send

from trackd.actors.messages import Failed, Refused
from trackd.core.calls import Rejected, Tracked
from trackd.http.errors import failed, refused, rejected
from trackd.http.track.answer import answer_body
from trackd.http.track.pending_call import PendingCall


def body_of(pending: PendingCall) -> bytes:
    """The body of a 200 to a call that is answered. Raises HttpError for another answer."""
    match pending.answer:
        case Tracked() as tracked:
            return answer_body(tracked)
        case Refused() as refusal:
            error = refused(refusal, pending.request)
        case Rejected() as rejection:
            error = rejected(rejection, pending.request)
        case Failed() as failure:
            error = failed(failure, pending.request)
        case None:
            raise AssertionError("the call has no answer yet")
    error.body, error.call = pending.body, pending.request
    raise error


async def send_ok(send: Send, body: bytes) -> None:
    """Send the answer 200 with this body."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
