"""The content types of bodies: JSON in UTF-8, also as plain text and without a type, and forms that hold it."""

import re

from trackd.http.body import Headers
from trackd.http.errors import unsupported

URLENCODED, MULTIPART = b"application/x-www-form-urlencoded", b"multipart/form-data"
FORMS = (URLENCODED, MULTIPART)
JSON_TYPES = (b"application/json", b"text/json", b"text/plain", b"")  # beacons send text, and what has no type
USUAL_TYPES = frozenset(
    {
        b"",
        *(
            name + charset
            for name in (b"application/json", b"text/plain")
            for charset in (b"", b"; charset=utf-8", b";charset=utf-8", b"; charset=UTF-8", b";charset=UTF-8")
        ),
    }
)
CHARSETS = (b"utf-8", b"utf8", b"us-ascii")  # ASCII is a part of UTF-8
# A quoted value without its closing quote extends to the end: otherwise each parameter would be searched for one.
PARAMETER = re.compile(rb';\s*+([^\s;="]++)\s*+=\s*+("(?:[^"\\]++|\\.)*+"?|[^;\s]*+)')


def check_content_type(headers: Headers, *, forms: bool = False) -> None:
    """Accept JSON, plain text (beacons send it) and a missing content type. Raises HttpError for others."""
    content_type = headers.get(b"content-type", b"")
    if content_type in USUAL_TYPES:
        return
    name = media_type(content_type)
    if not _is_json(name) and not (forms and name in FORMS):
        raise unsupported(
            f"The content type `{name.decode('latin-1')}` is not supported: "
            "send JSON as application/json or text/plain."
        )
    check_charset(content_type)


def media_type(content_type: bytes) -> bytes:
    """The content type in lower case, without its parameters."""
    return content_type.partition(b";")[0].strip().lower()


def _is_json(name: bytes) -> bool:
    return name in JSON_TYPES or (name.startswith(b"application/") and name.endswith(b"+json"))


def check_charset(content_type: bytes) -> None:
    """Raises HttpError if the content type has a charset other than UTF-8."""
    charset = parameter(content_type, b"charset")
    if charset and charset.lower() not in CHARSETS:
        raise unsupported(f"The charset `{charset.decode('latin-1')}` is not supported: send UTF-8.")


def parameter(value: bytes, name: bytes) -> bytes | None:
    """The first parameter with this name in a header's value, without quotes; None if there is none."""
    for found in PARAMETER.finditer(value):
        if found[1].lower() == name:
            return re.sub(rb"\\(.)", rb"\1", found[2].strip(b"\"'"))
    return None
