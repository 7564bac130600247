import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackd.core.origins import AllowedOrigins, canonical_origin

CANONICAL = {
    "https://shop.example": "https://shop.example",
    " HTTPS://Shop.EXAMPLE/ ": "https://shop.example",
    "https://shop.example:443": "https://shop.example",
    "http://shop.example:80": "http://shop.example",
    "https://shop.example:80": "https://shop.example:80",
    "http://shop.example:443/": "http://shop.example:443",
    "https://shop.example:08443": "https://shop.example:8443",
    "https://shop.example:": "https://shop.example",
    "https://shop.example.": "https://shop.example",
    "https://my_shop.example": "https://my_shop.example",
    "https://bücher.example": "https://xn--bcher-kva.example",
    "https://BÜCHER.example:443/": "https://xn--bcher-kva.example",
    "https://bu\u0308cher.example": "https://xn--bcher-kva.example",
    "https://XN--BCHER-KVA.example": "https://xn--bcher-kva.example",
    "https://straße.example": "https://xn--strae-oqa.example",  # Python's codec would make strasse of it
    "https://\uff53\uff48\uff4f\uff50\uff0eexample": "https://shop.example",
    "https://日本語。jp": "https://xn--wgv71a119e.jp",
    "https://\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.com": "https://xn--mgba3gch31f060k.com",
    "https://☕.example": "https://xn--53h.example",
    "http://127.0.0.1:3000": "http://127.0.0.1:3000",
    "http://127.0.0.1:80": "http://127.0.0.1",
    "http://[::1]:8080": "http://[::1]:8080",
    "https://[2001:DB8:0:0:0:0:0:1]:443": "https://[2001:db8::1]",
    "http://[::ffff:192.0.2.1]": "http://[::ffff:c000:201]",
    "null": "null",
    "NULL": "null",
    "file://": "file://",
    "file:///": "file://",
    "capacitor://localhost": "capacitor://localhost",
    "capacitor://localhost:443/": "capacitor://localhost:443",
    "ionic://localhost": "ionic://localhost",
    "tauri://localhost": "tauri://localhost",
    "app://": "app://",
    "app://obsidian.md": "app://obsidian.md",
    "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb/": "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
    "safari-web-extension://E5B5A0F1-7A3B": "safari-web-extension://e5b5a0f1-7a3b",
    "https://*.shop.example": "https://*.shop.example",
    "HTTPS://*.Bücher.example:443": "https://*.xn--bcher-kva.example",
    "http://*.localhost:3000": "http://*.localhost:3000",
}
REFUSED = {
    "": "it is empty",
    "   ": "it is empty",
    "*": "only a source without origins allows any",
    "shop.example": "no scheme",
    "//shop.example": "no scheme",
    "https:shop.example": "no scheme",
    "data:text/html,x": "no scheme",
    "https://": "an empty part",
    "https://shop.example/cart": "a path",
    "https://shop.example//": "a path",
    "https:///shop.example": "a path",
    "https://shop.example?x": "a query",
    "https://shop.example/?x": "a query",
    "https://shop.example#x": "a fragment",
    "https://user:pw@shop.example": "a user name",
    "https://user@shop.example": "a user name",
    "https://shop .example": "blanks",
    "https://shop.example\thttps://blog.example": "blanks",
    "https://shop.example, https://blog.example": "blanks",
    "https://shop.example,https://blog.example": "a path",
    "https://shop\0.example": "control characters",
    "https://shop.example:0": "no port 0",
    "https://shop.example:65536": "no port 65536",
    "https://shop.example:http": "does not consist of",
    "https://shop.example:80:80": "does not consist of",
    "https://a..example": "an empty part",
    "https://.shop.example": "an empty part",
    "https://shop.example..": "an empty part",
    "https://shop%2eexample": "a character that no host has",
    "https://shop^example": "a character that no host has",
    "https://shop\\example": "a character that no host has",
    "https://xn--a.example": "not punycode",
    "https://\ufffd.example": "not allowed",
    "https://" + "a" * 64 + ".example": "more than 63",
    "https://" + "a." * 130 + "example": "more than 253",
    "https://" + "".join(map(chr, range(0x4E00, 0x4E00 + 64))) + ".example": "more than 63",
    "https://" + "".join(map(chr, range(0x4E00, 0x4E00 + 990))): "more than 63",
    "https://" + "a" * 1_000: "more than 1000 characters",
    "http://1.2.3": "no address such as 127.0.0.1",
    "http://256.0.0.1": "no address such as 127.0.0.1",
    "http://[::g]": "no address such as [::1]",
    "http://[::1": "does not consist of",
    "http://[fe80::1%eth0]": "a zone",
    "file:///home/x.html": "a path",
    "file://host": "`null` or `file://`",
    "wss://shop.example": "another scheme than wss",
    "https://*": "before the first dot, alone",
    "https://*.": "an empty part",
    "https://*shop.example": "before the first dot, alone",
    "https://shop.*.example": "before the first dot, alone",
    "https://*.*.example": "before the first dot, alone",
    "https://*.192.0.2.1": "an address has no subdomains",
    "https://*.[::1]": "does not consist of",
    "*://shop.example": "does not consist of",
    "https://shop.example:*": "does not consist of",
    "chrome-extension://*": "a wildcard needs http or https",
}


@pytest.mark.parametrize(("text", "canonical"), CANONICAL.items())
def test_an_origin_is_kept_as_browsers_send_it(text: str, canonical: str) -> None:
    assert canonical_origin(text) == canonical
    assert canonical_origin(canonical) == canonical


@pytest.mark.parametrize(("text", "reason"), REFUSED.items())
def test_an_origin_that_no_browser_sends_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(
        ValueError, match=r"is not an origin: .* Write it as https://shop\.example, without a path"
    ) as caught:
        canonical_origin(text)
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 1_500
    assert not AllowedOrigins([text]).allow(text)


@given(st.one_of(st.text(), st.from_regex(r"\A(https?|app)://[^/?#]{0,20}\Z")))
def test_any_text_is_an_origin_in_a_form_that_does_not_change_again_or_is_refused_with_a_sentence(text: str) -> None:
    try:
        canonical = canonical_origin(text)
    except ValueError as error:
        canonical, reason = None, str(error)
    if canonical is None:
        assert "is not an origin" in reason
    else:
        assert canonical_origin(canonical) == canonical
        assert canonical.isascii()


@pytest.mark.parametrize(
    ("allowed", "origin", "expected"),
    [
        ("https://shop.example", "https://shop.example", True),
        ("https://shop.example", "https://shop.example:443", True),
        ("https://shop.example", "https://shop.example.", True),
        ("https://shop.example", "https://shop.example:8443", False),
        ("https://shop.example", "http://shop.example", False),
        ("https://shop.example", "https://www.shop.example", False),
        ("https://shop.example", "https://shop.example.evil.example", False),
        ("https://shop.example", "", False),
        ("https://shop.example", "null", False),
        ("null", "null", True),
        ("null", "file://", False),
        ("file://", "file://", True),
        ("https://bücher.example", "https://xn--bcher-kva.example", True),
        ("safari-web-extension://E5B5A0F1", "safari-web-extension://E5B5A0F1", True),
        ("https://*.shop.example", "https://www.shop.example", True),
        ("https://*.shop.example", "https://a.b.shop.example", True),
        ("https://*.shop.example", "https://WWW.shop.example:443", True),
        ("https://*.shop.example", "https://shop.example", False),
        ("https://*.shop.example", "https://.shop.example", False),
        ("https://*.shop.example", "https://evilshop.example", False),
        ("https://*.shop.example", "http://www.shop.example", False),
        ("https://*.shop.example", "https://www.shop.example:8443", False),
        ("https://*.shop.example", "https://www.shop.example.evil.example", False),
        ("https://*.shop.example", "https://evil.example/.shop.example", False),
        ("https://*.shop.example", "https://evil.example?.shop.example", False),
        ("https://*.shop.example:8443", "https://www.shop.example:8443", True),
        ("https://*.shop.example:8443", "https://www.shop.example", False),
        ("https://*.shop.example:8443", "https://www.shop.example:18443", False),
        ("https://*.bücher.example", "https://www.xn--bcher-kva.example", True),
    ],
)
def test_a_list_allows_its_origins_and_the_subdomains_of_its_wildcards(
    allowed: str, origin: str, expected: bool
) -> None:
    assert AllowedOrigins([canonical_origin(allowed)]).allow(origin) is expected
    assert AllowedOrigins(["https://other.example", allowed]).allow(origin) is expected


def test_an_entry_that_is_no_origin_allows_nothing_and_hides_no_other() -> None:
    allowed = AllowedOrigins(["*", "https://user:pw@shop.example", "https://blog.example"])

    assert [allowed.allow(f"https://{name}.example") for name in ("shop", "blog")] == [False, True]
