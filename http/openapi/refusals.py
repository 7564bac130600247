"""Descriptions of the error answers, for the OpenAPI description. `http/errors.py` makes the answers themselves."""

from msgspec import Struct

from trackd.http.openapi.answers import ErrorAnswer, Faults, LostPosition


class Refusal(Struct, frozen=True):
    """An error answer. `answer` models its body, None for the body `null`; `headers` are those that it always has."""

    status: int
    description: str
    answer: type[Struct] | None = ErrorAnswer
    headers: tuple[str, ...] = ()


REFUSALS = {
    "NotHttp": Refusal(400, "It is not HTTP/1.1: `detail` names the fault."),
    "NotAuthenticated": Refusal(
        401, "The request has no valid token, or one that has expired.", headers=("WWW-Authenticate",)
    ),
    "SourceUnknown": Refusal(401, "The event source is unknown or disabled."),
    "ScopeLacking": Refusal(403, "The token lacks the scope that `detail` names."),
    "OriginForeign": Refusal(403, "The source takes no events from that origin."),
    "DocumentAbsent": Refusal(404, "The document does not exist.", answer=None),
    "SegmentUnknown": Refusal(404, "There is no such segment; `detail` names those that exist."),
    "PathUnknown": Refusal(404, "The path does not exist."),
    "Conflict": Refusal(409, "A source with that id exists already."),
    "TooSlow": Refusal(408, "The request was incomplete after `limits.request_timeout_s`, or arrived too slowly."),
    "PositionLost": Refusal(410, "What followed the cursor is not kept; `detail` has the oldest cursor.", LostPosition),
    "TooLarge": Refusal(413, "Body, number of events, nesting, work or ids are over the limit that `detail` names."),
    "TargetTooLong": Refusal(414, "The target of the request is too long for the limit of a head, 64 KiB."),
    "Unsupported": Refusal(
        415,
        "The content type is not JSON or plain text, its charset is not UTF-8, "
        "or the content encoding is neither gzip nor identity.",
    ),
    "Invalid": Refusal(422, "Not JSON, or values missing, unknown or of the wrong type.", answer=Faults),
    "RateLimited": Refusal(
        429,
        "The source, or the address of the client, sends more than its rate limit allows.",
        headers=("Retry-After",),
    ),
    "TooManyFailures": Refusal(
        429, "Too many requests without a valid token came from this address.", headers=("Retry-After",)
    ),
    "HeadTooLarge": Refusal(431, "The head of the request is over 64 KiB, or has more than 256 headers."),
    "Fault": Refusal(500, "A fault of trackd; nothing of the call is stored."),
    "CodingUnknown": Refusal(501, "The request has another transfer coding than `chunked`."),
    "Unavailable": Refusal(
        503,
        "The queue is full, too much is incomplete, the disk refuses, or the server stops or starts: send it again.",
        headers=("Retry-After",),
    ),
    "VersionUnsupported": Refusal(505, "The request is of another version of HTTP than 1.1 and 1.0."),
}
ANY = ("NotHttp", "TooSlow", "TargetTooLong", "HeadTooLarge", "Fault", "CodingUnknown", "VersionUnsupported")
GUARDED = ("NotAuthenticated", "ScopeLacking", "TooManyFailures", "Unavailable")
WITH_BODY = ("TooLarge", "Unsupported", "Invalid")
TRACK = ("SourceUnknown", "OriginForeign", "RateLimited", "Unavailable")
