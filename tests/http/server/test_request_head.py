"""The contents of a request head, by the rules of RFC 9112."""

import pytest

from trackd.http.errors import HttpError
from trackd.http.server.request_head import check_framing, check_host, is_usual, origin_form

HOST = (b"host", b"shop.example")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/track", (b"/track", None)),
        (b"/a?b=c", (b"/a?b=c", None)),
        (b"//a", (b"//a", None)),
        (b"http://host", (b"/", b"host")),
        (b"HTTP://host/", (b"/", b"host")),
        (b"https://host:8686/track?a=b", (b"/track?a=b", b"host:8686")),
        (b"http://host?a=/b", (b"/?a=/b", b"host")),
        (b"http://host/a#b", (b"/a", b"host")),
        (b"http://[::1]:80/a", (b"/a", b"[::1]:80")),
        (b"http://[fe80::1%25eth0]/", (b"/", b"[fe80::1%25eth0]")),
        (b"http://[::ffff:1.2.3.4]/", (b"/", b"[::ffff:1.2.3.4]")),
        (b"http://[v1.a:b]/", (b"/", b"[v1.a:b]")),
        (b"http://a:/", (b"/", b"a:")),
        (b"http://a:65535/", (b"/", b"a:65535")),
        (b"http://a:000080/", (b"/", b"a:000080")),
    ],
)
def test_the_target_of_a_request_is_a_path_or_a_url(target: bytes, expected: tuple[bytes, bytes | None]) -> None:
    assert origin_form(b"GET", target) == expected


@pytest.mark.parametrize(
    "target",
    [
        b"*",
        b"a:443",
        b"host",
        b"ftp://host/",
        b"http:///a",
        b"http://:80/",
        b"http://a:99999/",
        b"http://a:65536/",
        b"http://a:8a/",
        b"http://a:" + b"9" * 60_000 + b"/",
        b"http://a:" + b"0" * 60_000 + b"x/",
        b"http://user:password@host/",
        b"http://a b/",
        b"http://[::1/",
        b"http://[zz]/",
        b"http://[]/",
        b"http://[1.2.3.4]/",
        b"http://[::1::]/",
        b"http://[v.a]/",
    ],
)
def test_other_targets_are_400(target: bytes) -> None:
    with pytest.raises(HttpError) as raised:
        origin_form(b"GET", target)
    assert raised.value.status_code == 400


def test_a_star_is_a_target_of_options_alone() -> None:
    assert origin_form(b"OPTIONS", b"*") == (b"*", None)


@pytest.mark.parametrize("target", [b"a:443", b"/track", b"http://a/"])
def test_connect_is_405_and_names_the_methods_that_are_allowed(target: bytes) -> None:
    with pytest.raises(HttpError) as raised:
        origin_form(b"CONNECT", target)
    assert raised.value.status_code == 405
    assert "POST" in (raised.value.headers or {})["Allow"]


@pytest.mark.parametrize("host", [b"shop.example", b"shop.example:8686", b"127.0.0.1", b"[::1]:80", b"a_b", b"", b"a:"])
@pytest.mark.parametrize("version", ["1.1", "1.0", "1.2"])
def test_one_host_is_right(host: bytes, version: str) -> None:
    check_host(version, [(b"accept", b"*/*"), (b"host", host)])


@pytest.mark.parametrize(
    "hosts",
    [
        [b"a", b"a"],
        [b"a b"],
        [b"a/b"],
        [b"user@a"],
        [b"http://a"],
        [b"a:b"],
        [b"a:99999"],
        [b"a, b"],
        [b"\xc3\xa9"],
        [b"a" * 1_000],
        [b"[::1"],
        [b"::1"],
        [b"[zz]"],
        [b"[12345::]:80"],
    ],
)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_two_hosts_and_other_values_are_400(hosts: list[bytes], version: str) -> None:
    with pytest.raises(HttpError) as raised:
        check_host(version, [(b"host", host) for host in hosts])
    assert raised.value.status_code == 400


def test_only_http_1_0_needs_no_host() -> None:
    check_host("1.0", [])
    for version in ("1.1", "1.2"):
        with pytest.raises(HttpError, match="Host"):
            check_host(version, [])


@pytest.mark.parametrize(
    ("version", "codings", "status"),
    [
        ("1.1", [], None),
        ("1.9", [b"chunked"], None),
        ("1.1", [b"Chunked "], None),
        ("1.1", [b", chunked"], None),
        ("1.1", [b"gzip, chunked"], 501),
        ("1.1", [b"gzip", b"chunked"], 501),
        ("1.1", [b"gzip"], 400),
        ("1.1", [b"chunked, gzip"], 400),
        ("1.1", [b"identity"], 400),
        ("1.1", [b""], 400),
        ("1.1", [b"xchunked"], 400),
        ("1.0", [b"chunked"], 400),
        ("0.9", [], 505),
        ("2.0", [], 505),
        ("3.0", [b"gzip"], 505),
    ],
)
def test_a_version_or_a_framing_that_is_not_understood_ends_the_connection(
    version: str, codings: list[bytes], status: int | None
) -> None:
    headers = [HOST, *((b"transfer-encoding", coding) for coding in codings)]
    if status is None:
        check_framing(version, headers)
        return
    with pytest.raises(HttpError) as raised:
        check_framing(version, headers)
    assert raised.value.status_code == status


@pytest.mark.parametrize(
    ("version", "target", "headers"),
    [
        ("1.0", b"/", [HOST]),
        ("1.1", b"*", [HOST]),
        ("1.1", b"http://a/", [HOST]),
        ("1.1", b"/", []),
        ("1.1", b"/", [HOST, HOST]),
        ("1.1", b"/", [(b"host", b"a b")]),
        ("1.1", b"/", [HOST, (b"transfer-encoding", b"chunked")]),
        ("1.1", b"/", [HOST, (b"upgrade", b"h2c")]),
    ],
)
def test_a_head_that_needs_a_look_is_not_usual(version: str, target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    assert is_usual("1.1", b"/track", dict([HOST]), 1)
    assert not is_usual(version, target, dict(headers), len(headers))
