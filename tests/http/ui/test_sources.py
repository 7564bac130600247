"""The view Sources over a real socket: add, change, disable, and the faults of a form."""

import re
from html import unescape
from pathlib import Path

import httpx
import pytest

from tests.support.database import rows
from tests.support.live_page import form_token, live_page, log_in, new_key
from tests.support.payloads import SOURCE_ID, payload
from trackd.core.documents import Source, TokenScope

NEW = {"name": "shop", "description": "", "origins": "", "rate_limit": "", "tags": "", "id": ""}


async def post(client: httpx.AsyncClient, page: str, **form: str) -> httpx.Response:
    return await client.post(f"/ui/{page}", data={"form_token": await form_token(client), **form})


async def updated(client: httpx.AsyncClient) -> str:
    page = await client.get("/ui/source", params={"id": SOURCE_ID})
    [found] = re.findall(r'name="updated" value="([^"]+)"', page.text)
    return str(found)


async def test_a_source_is_added_and_takes_events_at_once(client: httpx.AsyncClient, db: Path) -> None:
    form = {
        "name": " web <shop> ",
        "id": "a&b/ü",
        "origins": "https://Shop.example:443\r\n\r\n https://*.x.example ",
        "rate_limit": "2.5",
    }
    answer = await post(client, "source-new", **NEW | form | {"consent": "on", "tags": "a\r\nb"})
    assert answer.status_code == 303
    page = await client.get(f"/ui/{answer.headers['location']}")
    assert page.status_code == 200
    assert "Waiting for the first event" in page.text
    assert "web &lt;shop&gt;" in page.text
    [added] = rows(db, "SELECT * FROM source WHERE name <> 'a <b>shop</b>'")
    assert (added["id"], added["name"], added["consent"], added["returns_profile"]) == ("a&b/ü", "web <shop>", 1, 0)
    assert (added["origins"], added["rate_limit"], added["tags"]) == (
        '["https://shop.example", "https://*.x.example"]',
        2.5,
        '["a", "b"]',
    )


async def test_a_source_without_an_id_gets_one_and_shows_its_first_event(client: httpx.AsyncClient, db: Path) -> None:
    answer = await post(client, "source-new", **NEW)
    [added] = rows(db, "SELECT id FROM source WHERE name = 'shop'")
    assert re.fullmatch(r"[0-9a-f-]{36}", added["id"])
    assert answer.headers["location"] == f"source?id={added['id']}"
    sent = await client.post("/track", json=payload("s", "<script>alert(1)</script>", source=added["id"]))
    assert sent.status_code == 200
    page = await client.get(f"/ui/{answer.headers['location']}")
    assert "Events arrive" in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert "data-refresh" not in page.text
    assert re.search(r'<td class="number">1</td>', (await client.get("/ui/sources")).text)


async def test_the_events_that_a_source_stored_are_counted_invalid_ones_too_and_no_others(
    client: httpx.AsyncClient,
) -> None:
    left_out, invalid = {"options": {"saveEvent": False}}, {"type": "purchase-order", "properties": {"total": -1}}
    events = [{"type": "t"}, {"type": "t", **left_out}, invalid]
    assert (await client.post("/track", json=payload("s", events=events))).status_code == 200
    assert '<td class="number">2</td>' in (await client.get("/ui/sources")).text


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("name", "  ", "at least 1 character"),
        ("name", "x" * 1_001, "at most 1000 characters"),
        ("id", "x" * 256, "an id has 1 to 255 characters"),
        ("id", SOURCE_ID, "There is a source with this id already"),
        ("origins", "not an origin", "Pages that may send: "),
        ("rate_limit", "many", "should be a number"),
        ("rate_limit", "nan", "must be from 0.001"),
        ("rate_limit", "0", "must be from 0.001"),
    ],
)
async def test_a_fault_is_shown_beside_its_field_and_the_rest_of_the_form_stays(
    client: httpx.AsyncClient, db: Path, field: str, value: str, sentence: str
) -> None:
    answer = await post(client, "source-new", **NEW | {"description": "<kept>", field: value})
    assert answer.status_code == 422
    assert re.search(rf'id="{field}-fault">[^<]*{re.escape(sentence)}', unescape(answer.text))
    assert re.search(rf'id="{field}"[^>]*aria-invalid="true"', answer.text)
    assert "&lt;kept&gt;" in answer.text
    assert len(rows(db, "SELECT id FROM source")) == 1


async def test_a_source_is_changed_and_its_faults_are_shown(client: httpx.AsyncClient, db: Path) -> None:
    form = NEW | {"id": SOURCE_ID, "name": "renamed", "updated": await updated(client)}
    refused = await post(client, "source", **form | {"rate_limit": "x"})
    assert refused.status_code == 422
    assert "<details" in refused.text
    assert " open>" in refused.text
    changed = await post(client, "source", **form, returns_profile="on")
    assert changed.headers["location"] == f"source?id={SOURCE_ID}"
    [source] = rows(db, "SELECT name, returns_profile FROM source")
    assert source == {"name": "renamed", "returns_profile": 1}


async def test_fields_that_were_not_changed_stay_as_they_are_stored(tmp_path: Path) -> None:
    stored = Source(
        SOURCE_ID, "in\ntwo lines ", description=" a\r\nb", rate_limit=12345.678901, tags=("two\nlines", " blanks ", "")
    )
    async with live_page(tmp_path / "trackd.db", stored) as client:
        await log_in(client)
        version = await updated(client)
        tags = "two\r\nlines\r\n blanks \r\n"  # as a browser sends the fields of the page
        form = {"name": "intwo lines ", "description": " ab", "tags": tags, "origins": "https://a.example"}
        answer = await post(client, "source", **form, id=SOURCE_ID, updated=version, rate_limit="12345.678901")

    assert answer.status_code == 303
    [source] = rows(tmp_path / "trackd.db", "SELECT name, description, rate_limit, tags, origins FROM source")
    assert source == {
        "name": "in\ntwo lines ",
        "description": " a\r\nb",
        "rate_limit": 12345.678901,
        "tags": '["two\\nlines", " blanks ", ""]',
        "origins": '["https://a.example"]',
    }


async def test_a_change_of_another_one_meanwhile_is_not_overwritten(client: httpx.AsyncClient, db: Path) -> None:
    before = await updated(client)
    form = NEW | {"id": SOURCE_ID, "updated": before}
    assert (await post(client, "source", **form | {"name": "first"})).status_code == 303
    second = await post(client, "source", **form | {"name": "second"})
    assert second.status_code == 409
    assert "was changed meanwhile" in second.text
    assert rows(db, "SELECT name FROM source") == [{"name": "first"}]
    again = re.findall(r'name="updated" value="([^"]+)"', second.text)
    assert (await post(client, "source", **form | {"name": "second", "updated": again[0]})).status_code == 303


async def test_a_source_is_disabled_and_enabled(client: httpx.AsyncClient) -> None:
    for enabled, status in (("no", 401), ("yes", 200)):
        answer = await post(client, "source-state", id=SOURCE_ID, enabled=enabled)
        assert answer.status_code == 303
        assert (await client.post("/track", json=payload("s", "t"))).status_code == status
        page = await client.get(f"/ui/{answer.headers['location']}")
        assert ("its calls are refused" in page.text) == (status == 401)


async def test_a_source_that_does_not_exist_is_a_page_that_does_not_exist(client: httpx.AsyncClient) -> None:
    assert (await client.get("/ui/source?id=nobody")).status_code == 404
    assert (await client.get("/ui/source")).status_code == 404
    for page in ("source", "source-state"):
        assert (await post(client, page, **NEW | {"id": "nobody"})).status_code == 404


async def test_a_login_for_reading_sees_sources_and_can_change_none(client: httpx.AsyncClient, db: Path) -> None:
    await log_in(client, key=new_key(db, TokenScope.READ))
    page = await client.get("/ui/source", params={"id": SOURCE_ID})
    assert page.status_code == 200
    assert 'action="source' not in page.text
    assert "Add a source" not in (await client.get("/ui/sources")).text
    assert (await client.get("/ui/source-new")).status_code == 403
    for name in ("source-new", "source", "source-state"):
        answer = await post(client, name, **NEW | {"id": SOURCE_ID, "enabled": "no"})
        assert answer.status_code == 403
    assert rows(db, "SELECT enabled FROM source") == [{"enabled": 1}]
