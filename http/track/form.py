"""Forms that hold the JSON of a call in a field: pages and servers without a client for JSON post them."""

import re
from binascii import a2b_qp
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator

from trackd.http.body import Headers
from trackd.http.content_types import FORMS, MULTIPART, USUAL_TYPES, check_charset, media_type, parameter
from trackd.http.errors import HttpError, invalid

FIELDS = (b"payload", b"data")
MAX_FIELDS = 1_000  # that are searched
NOT_ENCODED = re.compile(rb"%(?![0-9a-fA-F]{2})")
DISPOSITION = re.compile(rb"^content-disposition:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
CONTENT_TYPE = re.compile(rb"^content-type:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


def json_of_call(headers: Headers, body: bytes) -> bytes:
    """The JSON in the field `payload` or `data` of a form; any other body as it is. Raises HttpError.

    Beacons and curl may send JSON with the content type of a form: JSON in place of fields is taken too.
    """
    content_type = headers.get(b"content-type", b"")
    if content_type in USUAL_TYPES:
        return body
    name = media_type(content_type)
    if name not in FORMS or body.removeprefix(BOM_UTF8).lstrip().startswith(b"{"):
        return body
    if name == MULTIPART:
        return _json_field(_multipart(content_type, body))
    return _unquoted(_json_field(_urlencoded(body)).replace(b"+", b" "))


def _json_field(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    found: dict[bytes, bytes] = {}
    for name, value in fields:
        found.setdefault(name, value)
    for name in FIELDS:
        if value := found.get(name, b""):
            return value
    raise _invalid("The form should have a field `payload` or `data` with the JSON of the call", "missing")


def _urlencoded(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The fields, their values still encoded."""
    for pair in body.split(b"&", MAX_FIELDS)[:MAX_FIELDS]:
        name, _, value = pair.partition(b"=")
        yield name.strip(), value


def _unquoted(value: bytes) -> bytes:
    """As `unquote_to_bytes` of the standard library, which makes an object of all that is between percent signs.

    Quoted-printable text is the same with `=` in place of `%`, and is decoded without any.
    """
    return a2b_qp(NOT_ENCODED.sub(b"%25", value).replace(b"=", b"=3D").replace(b"%", b"="))


def _multipart(content_type: bytes, body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The fields. Raises HttpError without a boundary, and for a field in another charset than UTF-8."""
    boundary = parameter(content_type, b"boundary")
    if not boundary:
        raise _invalid("multipart/form-data should have a boundary in its content type", "multipart")
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary, MAX_FIELDS + 1)[1 : MAX_FIELDS + 1]:
        head, _, value = part.partition(b"\r\n\r\n")
        disposition, its_type = DISPOSITION.search(head), CONTENT_TYPE.search(head)
        name = parameter(disposition[1], b"name") if disposition else None
        if name in FIELDS:
            check_charset(its_type[1] if its_type else b"")
            yield name, value


def _invalid(message: str, kind: str) -> HttpError:
    return invalid([{"loc": ["body"], "msg": message, "type": kind}])
