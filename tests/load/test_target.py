import pytest

from trackd.load.errors import LoadError
from trackd.load.target import Target


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "path"),
    [
        ("http://127.0.0.1:8686", "127.0.0.1", 8686, False, ""),
        ("http://127.0.0.1:8686/", "127.0.0.1", 8686, False, ""),
        (" http://127.0.0.1:8686 ", "127.0.0.1", 8686, False, ""),
        ("http://127.0.0.1:8686/track", "127.0.0.1", 8686, False, ""),
        ("https://events.example/behind", "events.example", 443, True, "/behind"),
        ("http://[::1]:80", "::1", 80, False, ""),
    ],
)
def test_an_address_is_accepted_in_its_usual_forms(url: str, host: str, port: int, tls: bool, path: str) -> None:
    target = Target.at(url)
    assert (target.host, target.port, target.tls, target.path) == (host, port, tls, path)
    assert target.track.startswith(f"POST {path}/track HTTP/1.1\r\nHost: ".encode())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8686",
        "ftp://x",
        "http://",
        "http://x:99999",
        "http://u@x",
        "http://x?a",
        "http://ä",
        "http://x/a b",
        "http://[::",
    ],
)
def test_an_invalid_address_is_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(LoadError, match="is no address of a server: write it as"):
        Target.at(url)


def test_a_password_is_not_shown() -> None:
    with pytest.raises(LoadError, match=r"^'\.\.\.@x' is no address .*; it has a user or a password") as raised:
        Target.at("http://user:secret@x")
    assert "secret" not in str(raised.value)
