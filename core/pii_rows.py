"""The personal data of stored documents, for the tables by which it is searched. Pure."""

from collections.abc import Iterable, Iterator

from msgspec import MsgspecError, Struct
from msgspec.json import Decoder

from trackd.core.documents import JsonObject
from trackd.core.encoding import finite
from trackd.core.pii_values import pii_values


class _Profile(Struct, frozen=True):
    id: str
    pii: JsonObject = {}


_profile = Decoder(_Profile, float_hook=finite).decode


def pii_rows(docs: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """The name, the value and the profile's id of each value of these documents, as JSON text.

    A document that another tool broke has no personal data.
    """
    for doc in docs:
        try:
            profile = _profile(doc)
        except (MsgspecError, ValueError, TypeError, RecursionError):
            continue
        if profile.pii:
            for name, value in pii_values(profile.pii):
                yield name, value, profile.id
