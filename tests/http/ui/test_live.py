"""The view Live over a real socket: what is stored, what is not, and the page of an event."""

import json
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.database import execute
from tests.support.live_page import form_token, live_page, log_in, new_key
from tests.support.payloads import SOURCE_ID, bearer, payload
from tests.support.polling import eventually
from tests.support.serving import ADMIN_SECRET
from trackd.core.documents import TokenScope
from trackd.http.ui.live import EVENTS

HOSTILE = "<script>alert('&')</script>"


@pytest.fixture
async def client(db: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with live_page(db) as client:
        await log_in(client, key=new_key(db, TokenScope.READ))
        yield client


async def track(client: httpx.AsyncClient, *types: str, **properties: Any) -> str:
    """The id of the profile."""
    call = payload("s", *types)
    for event in call["events"]:
        event["properties"] = properties
    answer = await client.post("/track", json=call)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["profile"]["id"])


async def live(client: httpx.AsyncClient, query: str = "") -> str:
    answer = await client.get(f"/ui/live{query}")
    assert answer.status_code == 200, answer.text
    return answer.text


def types(page: str) -> list[str]:
    """The types of the events in the table, in their order."""
    return [unescape(found) for found in re.findall(r'class="type" href="[^"]+">([^<]+)<', page)]


async def event_page(client: httpx.AsyncClient) -> str:
    """The page of the newest event, as its row links to it."""
    [link, *_] = re.findall(r'class="type" href="([^"]+)">[^<]', await live(client))
    answer = await client.get(f"/ui/{unescape(link)}")
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_it_is_the_first_view(client: httpx.AsyncClient) -> None:
    answer = await client.get("/ui/", follow_redirects=True)
    assert answer.url.path == "/ui/live"
    assert re.findall(r'<li><a href="([a-z]+)"', answer.text)[0] == "live"


async def test_the_newest_events_are_shown_and_a_link_leads_to_older_ones(client: httpx.AsyncClient) -> None:
    names = [f"type-{number}" for number in range(EVENTS + 5)]
    await track(client, *names)
    newest = await live(client)
    assert types(newest) == names[:4:-1]
    [link] = re.findall(r'id="older" href="([^"]+)"', newest)
    older = (await client.get(f"/ui/{unescape(link)}")).text
    assert types(older) == names[4::-1]
    assert "These are older ones" in older
    assert "data-cursor" not in older
    assert "live.js" not in older
    assert 'id="older" href="live?" hidden' in older


async def test_a_row_has_the_source_the_profile_and_the_properties_all_as_text(client: httpx.AsyncClient) -> None:
    profile = await track(client, HOSTILE, name=HOSTILE, price=12)
    page = await live(client)
    assert types(page) == [HOSTILE]
    assert HOSTILE not in page
    assert "a &lt;b&gt;shop&lt;/b&gt;" in page
    assert f'href="profile?id={profile}"' in page
    assert f"name={json.dumps(HOSTILE)} price=12" in unescape(page)
    assert '<span class="badge">stored</span>' in page


async def test_an_invalid_event_has_its_reasons(client: httpx.AsyncClient) -> None:
    await track(client, "purchase-order", total=[])
    for page in (await live(client), await event_page(client)):
        assert '<span class="badge bad">invalid</span>' in page
        assert "total" in re.sub(r"<pre.*?</pre>", "", page, flags=re.DOTALL)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?type=b&source=&status=", ["b"]),
        (f"?source={SOURCE_ID}", ["purchase-order", "b", "a"]),
        ("?source=other", []),
        ("?status=invalid", ["purchase-order"]),
        ("?status=collected&type=a", ["a"]),
        ("?status=not-stored", []),
        ("?status=nonsense&cursor=nonsense&more=1", ["purchase-order", "b", "a"]),
    ],
)
async def test_the_form_selects_events_and_shows_what_is_selected(
    client: httpx.AsyncClient, query: str, found: list[str]
) -> None:
    await track(client, "a", "b", "purchase-order", total=[])
    page = await live(client, query)
    assert types(page) == found
    selected = [value for value in ("other", "invalid", "collected", "not-stored") if f"={value}" in query]
    for value in selected:
        assert re.search(rf'<option value="{value}"[^>]* selected>', page)
    assert ('id="empty" hidden' in page) == bool(found)
    assert "Nothing matches" in page or "nonsense" in query


async def test_the_feed_goes_on_after_the_events_of_the_page(client: httpx.AsyncClient) -> None:
    await track(client, "a")
    page = await live(client, "?type=b")
    [(cursor, query)] = re.findall(r'data-cursor="([^"]+)" data-query="([^"]+)"', page)
    await track(client, "a", "b")
    answer = await client.get(f"/ui/feed?{unescape(query)}&after={cursor}")
    assert [json.loads(line)["type"] for line in answer.text.splitlines()] == ["b"]
    head = await client.head(f"/ui/feed?after={cursor}", headers={"accept": "text/event-stream"})
    assert (head.status_code, head.content) == (200, b"")


async def test_without_an_event_there_is_one_to_paste(client: httpx.AsyncClient) -> None:
    page = unescape(await live(client))
    assert f"curl {str(client.base_url).rstrip('/')}/track" in page
    assert f'tracker.js" data-source="{SOURCE_ID}"></script>' in page
    assert 'aria-label="Events, the newest first" hidden' in page
    await track(client, "a")
    assert "curl" not in await live(client)


async def test_without_a_source_that_takes_events_the_page_leads_to_the_sources(db: Path) -> None:
    async with live_page(db) as client:
        await log_in(client)
        form = {"form_token": await form_token(client), "id": SOURCE_ID, "enabled": "no"}
        assert (await client.post("/ui/source-state", data=form)).status_code == 303
        page = await live(client)
        assert 'and no source takes any event: <a href="sources">' in page
        assert "curl" not in page


async def refuse(client: httpx.AsyncClient) -> None:
    """Calls that are refused, in this order."""
    await client.post("/track", json=payload("s", HOSTILE, source="nobody"))
    await client.post("/track", json={"source": {"id": SOURCE_ID}, "session": {"id": "s"}, "events": [{"a": HOSTILE}]})


async def with_refusals(client: httpx.AsyncClient, number: int, query: str = "") -> str:
    """The page, once it has so many refusals."""

    async def found() -> str:
        page = await live(client, query)
        return page if len(reasons(page)) == number else ""

    return await eventually(found, f"{number} refusals")


async def test_what_was_not_stored_is_in_the_list_with_its_reason(client: httpx.AsyncClient) -> None:
    await track(client, "before")
    await refuse(client)
    await track(client, "purchase-order", total=[])
    page = await with_refusals(client, 2)
    assert badges(page) == ["invalid", "refused 422", "refused 401", "stored"]
    assert reasons(page) == ["invalid", "unknown source"]
    assert '<span class="faults">body.events.0.type: Field required</span>' in page
    assert '<span class="name">nobody</span>' in page
    assert HOSTILE not in page
    for query, expected in (
        ("?status=not-stored", ["refused 422", "refused 401"]),
        (f"?source={SOURCE_ID}", ["invalid", "refused 422", "stored"]),
        ("?status=collected", ["stored"]),
    ):
        assert badges(await live(client, query)) == expected


async def test_events_are_dropped_with_a_reason(client: httpx.AsyncClient) -> None:
    call = payload("s", "a")
    call["events"][0]["id"] = "an-id"
    for _ in range(2):
        assert (await client.post("/track", json=call)).status_code == 200
    page = await with_refusals(client, 1)
    assert badges(page) == ["dropped", "stored"]
    assert reasons(page) == ["duplicate"]


async def test_refusals_are_on_the_page_with_the_events_of_their_time(client: httpx.AsyncClient) -> None:
    await refuse(client)
    await track(client, *(f"type-{number}" for number in range(EVENTS + 5)))
    await with_refusals(client, 2, "?status=not-stored")
    newest = await live(client)
    assert reasons(newest) == []
    [link] = re.findall(r'id="older" href="([^"]+)"', newest)
    assert badges((await client.get(f"/ui/{unescape(link)}")).text) == ["stored"] * 5 + ["refused 422", "refused 401"]


async def test_more_refusals_than_a_page_has_are_a_list_of_their_own(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trackd.http.ui.live.REFUSALS", 1)
    await track(client, "a")
    await refuse(client)
    page = await with_refusals(client, 1)
    [link] = re.findall(r'href="([^"]+)">Show only what was not stored', page)
    first = (await client.get(f"/ui/{unescape(link)}")).text
    [link] = re.findall(r'id="older" href="([^"]+)"', first)
    second = (await client.get(f"/ui/{unescape(link)}")).text
    assert [reasons(first), reasons(second)] == [["invalid"], ["unknown source"]]
    assert "These are older ones" in second


def reasons(page: str) -> list[str]:
    return re.findall(r'<strong class="reason">([^<]+)</strong>', page)


def badges(page: str) -> list[str]:
    return re.findall(r'<span class="badge[^"]*">([^<]+)<', page.partition("<template")[0].partition('id="live"')[2])


async def test_an_event_has_the_rules_that_ran_its_document_and_its_profile(client: httpx.AsyncClient) -> None:
    profile = await track(client, "profile-update", email="ann@shop.example", note=HOSTILE)
    page = await event_page(client)
    assert re.search(r'<th scope="row">contact data</th>\s*<td><code>pii\.email</code>', page)
    event, now = (json.loads(unescape(found)) for found in re.findall(r"<code>(\{.*?)</code>", page, re.DOTALL))
    assert (event["type"], event["properties"]["note"]) == ("profile-update", HOSTILE)
    assert (now["id"], now["pii"]["email"]) == (profile, "ann@shop.example")
    assert HOSTILE not in page
    assert f'href="profile?id={profile}"' in page
    assert f'href="source?id={SOURCE_ID}"' in page


async def test_an_event_without_rules_and_one_without_its_profile(client: httpx.AsyncClient) -> None:
    profile = await track(client, "a")
    assert "None is recorded for this event" in await event_page(client)
    erased = await client.delete(f"/profile/{profile}?keep=events", headers=bearer(ADMIN_SECRET))
    assert erased.status_code == 200
    page = await event_page(client)
    assert "There is none: it was erased" in page
    assert profile not in page


async def test_numbers_are_shown_as_they_are_stored(client: httpx.AsyncClient) -> None:
    await track(client, "a", number=9007199254740993)
    assert "number=9007199254740993" in await live(client)
    assert "9007199254740993" in await event_page(client)


@pytest.mark.parametrize("query", ["", "?id=", "?id=nothing", "?id=%00"])
async def test_an_event_that_is_not_stored_is_a_page_that_does_not_exist(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"/ui/event{query}")).status_code == 404


async def test_the_views_need_a_login(client: httpx.AsyncClient) -> None:
    await track(client, "a-type")
    client.cookies.clear()
    for name in ("live", "event?id=x"):
        assert "a-type" not in (await client.get(f"/ui/{name}")).text
        assert (await client.get(f"/ui/{name}", headers={"accept": "application/json"})).status_code == 401


async def test_of_events_with_one_id_the_page_shows_the_one_of_the_row(client: httpx.AsyncClient) -> None:
    for session in ("one", "other"):
        call = payload(session, session)
        call["events"][0]["id"] = "same"
        assert (await client.post("/track", json=call)).status_code == 200
    links = re.findall(r'class="type" href="([^"]+)">[^<]', await live(client))
    pages = [(await client.get(f"/ui/{unescape(link)}")).text for link in links]
    assert [re.findall("<h1>([^<]+)</h1>", page) for page in pages] == [["other"], ["one"]]


async def test_rows_that_another_tool_has_changed_are_shown(client: httpx.AsyncClient, db: Path) -> None:
    await track(client, "a", "b", "c")
    execute(db, "UPDATE event SET properties = '{', inserted = 'x', type = x'ff' WHERE seq = 1")
    execute(db, "UPDATE event SET context = '7', reasons = '{}', rules = '[7]', status = 7 WHERE seq = 2")
    await refuse(client)
    await with_refusals(client, 2)
    execute(db, "UPDATE refusal SET faults = '{}', body = x'ff', time = 7")
    assert len(types(await live(client))) == 3
    for link in re.findall(r'class="type" href="([^"]+)">[^<]', await live(client)):
        assert (await client.get(f"/ui/{unescape(link)}")).status_code == 200
