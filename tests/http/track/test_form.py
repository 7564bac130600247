"""Forms: the field with the JSON, whatever stands around it."""

import json
from typing import Any
from urllib.parse import unquote_to_bytes, urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.http.faults import faults_of
from trackd.http.errors import HttpError
from trackd.http.track.form import MAX_FIELDS, json_of_call

URLENCODED = {b"content-type": b"application/x-www-form-urlencoded"}
MULTIPART = {b"content-type": b'multipart/form-data; boundary="=-x"'}
PART = b'--=-x\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
END = b"--=-x--\r\n"


def fault(headers: dict[bytes, bytes], body: bytes) -> dict[str, Any]:
    with pytest.raises(HttpError) as error:
        json_of_call(headers, body)
    [found] = faults_of(error.value)
    return found


def part(name: bytes, value: bytes, more: bytes = b"") -> bytes:
    return PART % (name, more, value)


@pytest.mark.parametrize(
    "content_type", [b"application/json", b"text/plain;charset=UTF-8", b"", b"application/ld+json"]
)
def test_a_body_that_is_no_form_is_left_as_it_is(content_type: bytes) -> None:
    assert json_of_call({b"content-type": content_type}, b"payload={}") == b"payload={}"
    assert json_of_call({}, b"data=%7B%7D") == b"data=%7B%7D"


@given(st.dictionaries(st.text(max_size=9), st.text(max_size=9)), st.sampled_from(["payload", "data"]), st.booleans())
def test_the_json_in_a_form_is_what_was_put_there(value: dict[str, str], field: str, as_ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=as_ascii, indent=1).encode()
    sent = [("_csrf", "a&b=c"), (field, text), ("z", "\r\n")]
    assert json_of_call(URLENCODED, urlencode(sent).encode()) == text

    request = httpx.Request("POST", "http://x", data={"a": "b"}, files={field: ("blob", text, "application/json")})
    headers = {b"content-type": request.headers["content-type"].encode()}
    assert json_of_call(headers, request.read()) == text


@given(
    st.lists(
        st.sampled_from(
            [b"%", b"%4", b"%41", b"%aF", b"%%42", b"%zz", b"%c3%bc", b"x", b"\xff", b"=", b"=3D", b"=\r\n", b"_"]
        )
    ).map(b"".join)
)
def test_bytes_are_decoded_as_the_standard_library_decodes_them(value: bytes) -> None:
    assert json_of_call(URLENCODED, b"data=x" + value) == b"x" + unquote_to_bytes(value)


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (b"payload={}", b"{}"),
        (b"data=%7b%7D&payload=", b"{}"),
        (b"data=%5B1,+2%2B%5d", b"[1, 2+]"),
        (b"a=1&b&=&data={}&data=[]", b"{}"),
        (b"data=[]&payload={}", b"{}"),
        (b'payload={"a": "\xc3\xbc=%C3%BC"}', '{"a": "ü=ü"}'.encode()),
        (b"payload=100%&x", b"100%"),
        (b"payloads={}&data=1\r\n", b"1\r\n"),
    ],
)
def test_the_field_of_an_urlencoded_form_is_decoded(body: bytes, read: bytes) -> None:
    assert json_of_call(URLENCODED, body) == read


@pytest.mark.parametrize("body", [b'{"a": "b=c&payload=%20+"}', b' \r\n{"payload=": 1}', b"\xef\xbb\xbf{}"])
def test_json_with_the_content_type_of_a_form_is_taken_as_it_is(body: bytes) -> None:
    assert json_of_call(URLENCODED, body) == body
    assert json_of_call({b"content-type": b"multipart/form-data"}, body) == body


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (part(b"payload", b"{}") + END, b"{}"),
        (part(b"data", b"[]") + part(b"payload", b"{}") + END, b"{}"),
        (b"preamble\r\n" + part(b"data", b"{\r\n}") + END + b"epilogue", b"{\r\n}"),
        (part(b"payload", b"{}", b'; filename="blob"\r\nContent-Type: application/json; charset=UTF-8') + END, b"{}"),
        (part(b"data", b"{}").replace(b'"data"', b"data").replace(b"Content-D", b"content-d") + END, b"{}"),
        (part(b"file", b"\x00" * 99) + part(b"payload", b"{}") + END, b"{}"),
        (part(b"payload", b"{}").replace(b"--=-x\r\n", b"--=-x  \r\nX-Before: name=data\r\n") + END, b"{}"),
        (part(b"payload", b"") + part(b"data", b"{}") + END, b"{}"),
    ],
)
def test_the_field_of_a_multipart_form_is_found(body: bytes, read: bytes) -> None:
    assert json_of_call(MULTIPART, body) == read


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (URLENCODED, b""),
        (URLENCODED, b"a=b"),
        (URLENCODED, b"payload=&data="),
        (URLENCODED, b"[]"),
        (URLENCODED, b"payload%20={}"),
        (URLENCODED, b"a&" * MAX_FIELDS + b"payload={}"),
        (MULTIPART, b""),
        (MULTIPART, END),
        (MULTIPART, part(b"body", b"{}") + END),
        (MULTIPART, part(b"payload", b"{}").replace(b"=-x", b"another")),
        (MULTIPART, part(b"a", b"") * MAX_FIELDS + part(b"payload", b"{}") + END),
    ],
)
def test_a_form_without_the_field_is_a_fault(headers: dict[bytes, bytes], body: bytes) -> None:
    found = fault(headers, body)
    assert (found["loc"], found["type"]) == (["body"], "missing")
    assert "`payload` or `data`" in found["msg"]


def test_a_multipart_form_without_a_boundary_is_a_fault() -> None:
    headers = {b"content-type": b"multipart/form-data"}
    assert "boundary" in fault(headers, part(b"payload", b"{}") + END)["msg"]


def test_a_field_in_another_charset_is_refused_with_its_name() -> None:
    body = part(b"payload", b"{}", b"\r\nContent-Type: text/plain; charset=utf-16") + END
    with pytest.raises(HttpError) as error:
        json_of_call(MULTIPART, body)
    assert (error.value.status_code, "`utf-16`" in error.value.detail) == (415, True)
