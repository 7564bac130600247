"""Content types: which are taken, and in which charsets."""

import pytest

from trackd.http.content_types import check_content_type, parameter
from trackd.http.errors import HttpError


def refusal(content_type: bytes, *, forms: bool = False) -> str:
    with pytest.raises(HttpError) as error:
        check_content_type({b"content-type": content_type}, forms=forms)
    assert error.value.status_code == 415
    return str(error.value.detail)


@pytest.mark.parametrize(
    "content_type",
    [
        *(b"application/json", b"Application/JSON; charset=utf-8", b"application/vnd.api+json", b"text/plain"),
        *(b"text/plain;charset=UTF-8", b"", b" application/json ", b"text/json", b"application/ld+json; profile=x"),
        *(b"application/json; charset=utf8", b'application/json; charset="UTF-8"', b"application/json;CHARSET=Utf-8"),
        *(b"application/json ; charset = 'utf-8'", b"application/json; charset=us-ascii", b"text/plain; charset="),
        *(b'application/json; x="a; charset=latin1"; charset=utf-8', b"application/json;", b"; charset=utf-8"),
    ],
)
def test_json_and_plain_text_in_utf_8_are_accepted_content_types(content_type: bytes) -> None:
    check_content_type({b"content-type": content_type})


def test_a_missing_content_type_is_accepted() -> None:
    check_content_type({})


@pytest.mark.parametrize(
    "content_type",
    [
        b"text/html",
        b"application/xml",
        b"application/jsonp",
        b"application/x-json",
        b"application/csp-report",
        b"application/octet-stream",
        b"multipart/form-data",
        b"x+json",
        b"\xff",
    ],
)
def test_another_content_type_is_refused_with_its_name(content_type: bytes) -> None:
    assert f"`{content_type.decode('latin-1')}`" in refusal(content_type)


@pytest.mark.parametrize(
    ("content_type", "charset"),
    [
        (b"application/json; charset=utf-16", "utf-16"),
        (b"application/json;charset=ISO-8859-1", "ISO-8859-1"),
        (b'text/plain; charset="windows-1252"', "windows-1252"),
        (b"text/plain; charset=utf-8-sig", "utf-8-sig"),
        (b"application/json; version=1; charset=latin1; charset=utf-8", "latin1"),
        (b"; charset=shift_jis", "shift_jis"),
        (b"application/json; charset=utf-16-le\xff", "utf-16-leÿ"),
        (b"multipart/form-data; boundary=x; charset=utf-7", "utf-7"),
        (b"application/x-www-form-urlencoded; charset=iso-8859-15", "iso-8859-15"),
    ],
)
def test_another_charset_is_refused_with_its_name(content_type: bytes, charset: str) -> None:
    assert refusal(content_type, forms=True) == f"The charset `{charset}` is not supported: send UTF-8."


def test_forms_are_accepted_only_where_they_are_expected() -> None:
    for form in (b"application/x-www-form-urlencoded", b"Multipart/Form-Data; boundary=x"):
        check_content_type({b"content-type": form}, forms=True)
        assert "send JSON" in refusal(form)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"a/b; name=x", b"x"),
        (b"a/b;name=x;name=y", b"x"),
        (b'a/b; NAME = "x y"', b"x y"),
        (b'a/b; name="x\\"y"', b'x"y'),
        (b'form-data; filename="; name=\\"z\\""; name="x"', b"x"),
        (b"a/b; filename=x", None),
        (b"name=x", None),
        (b"a/b; name", None),
        (b"", None),
        (b'a/b; x="y; name=z', None),
        (b'a/b; name="x; y', b"x; y"),
        (b';x="\\"' * 150_000, None),
        (b';x="\\"' * 150_000 + b'";name=x', b"x"),
    ],
)
def test_a_parameter_of_a_header_is_found(value: bytes, found: bytes | None) -> None:
    assert parameter(value, b"name") == found
