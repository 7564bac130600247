"""One call before a run checks that the server is trackd and that it stores and numbers the events of the source."""

from urllib.parse import quote

import msgspec

from trackd.load.address import connection_fault
from trackd.load.calls import Answer, Call, Reader, Writer
from trackd.load.errors import LoadError
from trackd.load.history import NONE, History
from trackd.load.requester import Requester
from trackd.load.target import Target

NO_REASON = "no reason given"


async def probe(target: Target, source_id: str, run: str, events_per_call: int, token: str | None) -> None:
    """Send the call, for a new profile. Raises LoadError with a sentence."""
    call = Call(0, 0, NONE, "")
    history = History(f"{run}probe", events_per_call)
    Writer(source_id, history).write(call)
    requester = Requester(target)
    try:
        status, body = await requester.send(target.track + call.request)
        if status != 200:
            raise LoadError(_refused(target, source_id, status, body))
        answer, seqs = Reader(history).read(body, call.number)
        if answer is None:
            raise LoadError(
                f"{target.url}/track is answered 200, but not as trackd answers: "
                "give the address at which trackd serves."
            )
        _check(answer, seqs)
        if token is not None:
            await _check_token(requester, target, answer.profile.id, token)
    except OSError as error:
        reason = connection_fault(error)
        raise LoadError(f"No server answers at {target.url} ({reason}): start one with `trackd serve`.") from None
    finally:
        requester.close()


def _refused(target: Target, source_id: str, status: int, body: bytes) -> str:
    detail = _detail(body)
    if status == 401 and detail != NO_REASON:
        return (
            f"The server does not accept the source {source_id!r} ({detail}): `trackd source list` shows its sources."
        )
    if status in (401, 404, 405):
        return f"{target.url}/track is answered {status}: give the address at which trackd serves."
    return f"The server refuses the calls of this load test with {status} ({detail})."


def _detail(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body)["detail"]).rstrip(".")
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return NO_REASON


def _check(answer: Answer, seqs: list[int]) -> None:
    if answer.source.consent:
        raise LoadError("The source requires consent, so that the events would be dropped: use one that does not.")
    if not all(seqs):
        raise LoadError(
            "The server does not store the events (page-view) of this source: its rules drop them as unwanted. "
            "Use a source to which that rule does not apply."
        )


async def _check_token(requester: Requester, target: Target, profile_id: str, token: str) -> None:
    status, body = await requester.send(page_request(target, token, profile_id, 1))
    if status == 401:
        raise LoadError("The token is not valid on this server: `trackd token list` shows its tokens.")
    if status != 200:
        raise LoadError(f"The stored events cannot be read with this token: {status} ({_detail(body)}).")


def page_request(target: Target, token: str, profile_id: str, limit: int, cursor: str | None = None) -> bytes:
    """The request for a page of a profile's events, the newest first."""
    following = "" if cursor is None else f"&cursor={quote(cursor, safe='')}"
    path = f"/profile/{quote(profile_id, safe='')}/events?limit={limit}{following}"
    return target.head("GET", path, f"Authorization: Bearer {token}") + b"\r\n"
