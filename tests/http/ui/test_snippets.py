"""The examples run as they are, whatever the id of the source, and name the address that the browser sees."""

import asyncio
import json
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.database import rows
from tests.support.live_page import live_page, log_in
from tests.support.payloads import SOURCE_ID
from trackd.core.documents import Source
from trackd.http.ui.snippets import snippets
from trackd.storage.sqlite.sources import Sources

HOSTILE = "a'b\"c</script>$(id)`\\&amp;ü"
IDS = st.one_of(
    st.just(HOSTILE), st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).filter(str.isprintable)
)


def code(source_id: str, base: str = "http://x") -> dict[str, str]:
    return {snippet.name: snippet.code for snippet in snippets(source_id, base)}


@given(IDS)
def test_the_id_arrives_as_it_is_in_each_language(source_id: str) -> None:
    found = code(source_id)
    assert json.loads(shlex.split(found["curl"])[-1])["source"] == {"id": source_id}

    attributes: dict[str, str | None] = {}

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            attributes.update(attrs)

    Reader().feed(found["script"])
    assert attributes == {"defer": None, "src": "http://x/tracker.js", "data-source": source_id}

    [literal] = re.findall(r'source: \{ id: (".*") \}', found["tracardi"])
    assert json.loads(literal) == source_id
    assert "</script" not in found["tracardi"]

    scope: dict[str, object] = {}
    exec(found["python"].partition("request = ")[0], scope)
    call = scope["call"]
    assert isinstance(call, dict)
    assert call["source"] == {"id": source_id}


@pytest.mark.parametrize("name", ["curl", "python"])
async def test_an_example_sends_an_event_to_a_running_server(tmp_path: Path, name: str) -> None:
    db = tmp_path / "trackd.db"
    with Sources(db, create=True) as sources:
        sources.add(Source(HOSTILE, "hostile"))
    async with live_page(db) as client:
        text = code(HOSTILE, str(client.base_url).rstrip("/"))[name]
        command = ["sh", "-c", text.replace("curl", "curl -sf")] if name == "curl" else [sys.executable, "-c", text]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        out, _ = await process.communicate()
        assert json.loads(out)["debugging"]["events"]["saved"] == 1
    assert rows(db, "SELECT source_id FROM event") == [{"source_id": HOSTILE}]


@pytest.mark.parametrize(
    ("path", "headers", "base"),
    [
        ("", {}, "http://shop.example:8080"),
        ("/trackd", {}, "http://shop.example:8080/trackd"),
        ("", {"x-forwarded-proto": "https", "x-forwarded-host": "collect.example"}, "https://collect.example"),
        ("", {"x-forwarded-host": "a.example, b.example"}, "http://a.example"),
        ("", {"x-forwarded-host": "<script>"}, "http://localhost"),
        ("", {"referer": "https://c.example/x/ui/sources", "sec-fetch-site": "same-origin"}, "https://c.example/x"),
        ("", {"referer": "https://evil.example/ui/x", "sec-fetch-site": "cross-site"}, "http://shop.example:8080"),
        ("", {"referer": "https://evil.example/ui/x"}, "http://shop.example:8080"),
    ],
)
async def test_the_address_is_that_which_the_browser_sees(
    tmp_path: Path, path: str, headers: dict[str, str], base: str
) -> None:
    async with live_page(tmp_path / "trackd.db", root_path="/trackd") as client:
        await log_in(client)
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        sent = {"host": "shop.example:8080", "cookie": cookie, **headers}
        page = await client.get(f"{path}/ui/source", params={"id": SOURCE_ID}, headers=sent)
        assert f'data-base="{base}"' in page.text
