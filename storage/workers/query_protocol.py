"""What the server and its reader process send each other: which list of `Listings` is asked for, and its page."""

from typing import Any

import msgspec
from msgspec import MsgspecError, Struct, msgpack

from trackd.storage.errors import StoreError
from trackd.storage.listings import EventFilter, Listings, Page, PageRequest, ProfileFilter

ARGUMENTS: dict[str, tuple[type, ...]] = {
    "profile_events": (str, PageRequest),
    "profile_sessions": (str, PageRequest),
    "session_events": (str, PageRequest),
    "events": (EventFilter, PageRequest),
    "profiles": (ProfileFilter, PageRequest),
    "count": (str,),
}


class Question(Struct, frozen=True, array_like=True):
    number: int
    read: str
    arguments: tuple[Any, ...]


class Answer(Struct, frozen=True, array_like=True):
    """`error` says why there is neither a page nor a count; all three are None for a document that is not there."""

    number: int
    page: Page | None = None
    count: int | None = None
    error: str | None = None


ENCODER = msgpack.Encoder()
QUESTIONS = msgpack.Decoder(Question)
ANSWERS = msgpack.Decoder(Answer)


def encode_question(number: int, read: str, *arguments: Any) -> bytes:
    return ENCODER.encode(Question(number, read, arguments))


def answer_of(listings: Listings, question: Question) -> bytes:
    """Read what is asked for; whatever goes wrong becomes an answer."""
    try:
        types = ARGUMENTS[question.read]
        arguments: list[Any] = [
            msgspec.convert(value, kind) for value, kind in zip(question.arguments, types, strict=True)
        ]
        found = getattr(listings, question.read)(*arguments)
    except StoreError as error:
        return ENCODER.encode(Answer(question.number, error=str(error)))
    except Exception as error:  # a fault of ours must not leave its caller without an answer
        return ENCODER.encode(Answer(question.number, error=f"{type(error).__name__}: {error}"))
    if isinstance(found, int):
        return ENCODER.encode(Answer(question.number, count=found))
    return ENCODER.encode(Answer(question.number, page=found))


def decode_answer(payload: bytes) -> Answer:
    """Raises StoreError for what is no answer."""
    try:
        return ANSWERS.decode(payload)
    except MsgspecError as error:
        raise StoreError(f"this is no answer to a question: {error}") from error
