"""The view Profile over a real socket: find, show, export, and what cannot be shown."""

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.database import execute, rows
from tests.support.live_page import address_in, form_token, live_page, log_in, send_form
from tests.support.payloads import SOURCE_ID, bearer, payload
from tests.support.serving import ADMIN_SECRET
from trackd.core.documents import Source
from trackd.http.ui import profile

HOSTILE = "<script>alert(1)</script>"
INSERT = "INSERT INTO profile (id, seq, revision, doc) VALUES (?, 0, 1, ?)"


@pytest.fixture
async def client(db: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with live_page(db, Source(SOURCE_ID, "shop", permanent_profile_id=True)) as client:
        await log_in(client)
        yield client


async def track(client: httpx.AsyncClient, *types: str, session: str = "s", **more: Any) -> str:
    """The id of the profile."""
    answer = await client.post("/track", json=payload(session, *types, **more))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["profile"]["id"])


async def show(client: httpx.AsyncClient, profile_id: str, **more: str) -> httpx.Response:
    return await client.get("/ui/profile", params={"id": profile_id, **more})


async def test_a_profile_is_shown_with_its_parts_its_events_and_its_sessions(client: httpx.AsyncClient) -> None:
    sign_up = {"email": "Ann@Example.com", "traits": {"plan": HOSTILE, HOSTILE: {"n": 5.0}}}
    events = [
        {"type": "sign-up", "properties": sign_up},
        {"type": "consent-granted", "properties": {"marketing": True}},
        {"type": "purchase-order", "properties": {"total": 34.5}},
        {"type": "purchase-order", "properties": {"total": -1}},
        {"type": HOSTILE, "properties": {HOSTILE: HOSTILE}, "time": "2024-02-29T12:00:00Z"},
    ]
    profile_id = await track(client, session=HOSTILE, events=events, context={"screen": {"width": 1280}})
    page = await show(client, profile_id)
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    text = unescape(page.text)
    for part in (
        f"Id <code>{profile_id}</code>",
        '<th scope="row">email</th><td>Ann@Example.com</td>',
        f'<th scope="row">plan</th><td>{HOSTILE}</td>',
        f'<th scope="row">{HOSTILE}</th><td>{{"n":5.0}}</td>',
        '<th scope="row">revenue</th><td>34.5</td>',
        '<th scope="row">marketing</th>',
        '<span class="badge">customers</span>',
        'from <a href="source?id=test-source">shop</a>, session',
        f"<code>{HOSTILE}={HOSTILE}</code>",
        "Rule <em>purchase</em> changed <code>traits.private.revenue</code>, <code>traits.private.largest_order</code>",
        '<span class="badge bad">invalid</span>',
        '<ul class="reasons">',
        '<time datetime="2024-02-29T12:00:00.000000Z">2024-02-29 12:00:00 UTC</time>',
        f'<th scope="row"><code>{HOSTILE}</code></th>',
        '<code>{"screen":{"width":1280}}</code>',
        '"largest_order": 34.5',
    ):
        assert part in text, part


async def test_the_view_without_an_id_asks_for_one(client: httpx.AsyncClient) -> None:
    for address in ("/ui/profile", "/ui/profile?id=", "/ui/profile?pii="):
        page = await client.get(address)
        assert page.status_code == 200
        assert 'name="id" value=""' in page.text
        assert 'name="pii" value=""' in page.text
        assert 'href="profile" aria-current="page"' in page.text


async def test_without_a_search_the_newest_profiles_are_listed_in_pages(
    client: httpx.AsyncClient, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "There is none yet" in (await client.get("/ui/profile")).text
    monkeypatch.setattr(profile, "NEWEST", 3)  # also of rows that are left out
    sign_up = {"type": "sign-up", "properties": {"email": "ann@example.com", "name": HOSTILE}}
    ids = [await track(client, session=f"s-{number}", events=[sign_up]) for number in range(3)]
    execute(db, INSERT, "<damaged>", "{")
    execute(db, INSERT, "<other>", '{"id": "<other>", "pii": [1]}')
    page = await client.get("/ui/profile")
    assert f"<td>ann@example.com, {HOSTILE}</td>" in unescape(page.text)
    assert HOSTILE not in page.text
    found = listed(page)
    while "Older profiles" in page.text:
        page = await client.get(address_in(page, 'class="button quiet" href', "profile?cursor="))
        found += listed(page)
    assert found == ["%3Cother%3E", *reversed(ids)]


def listed(page: httpx.Response) -> list[str]:
    """The ids that a list of profiles leads to."""
    return re.findall(r'href="profile\?id=([^"]+)"', page.text)


async def test_an_id_of_any_form_is_shown_exported_and_erased(client: httpx.AsyncClient, db: Path) -> None:
    ids = [
        "count",
        "..",
        "a/events",
        "a+b c",
        "a&id=b",
        "a;b#c",
        "%2F",
        "a\r\n\r\nb",
        "a\nb",
        "\x00",
        "é🙂",
        "'\"\\<b>",
    ]
    for number, profile_id in enumerate(ids):
        assert await track(client, "t", session=f"s-{number}", profile=profile_id) == profile_id
        page = await show(client, profile_id)
        assert page.status_code == 200, profile_id
        exported = await client.get(address_in(page, "href", "profile-export"))
        assert exported.json()["profile"]["id"] == profile_id
        question = await client.get(address_in(page, "href", "profile-erase"))
        erased = await send_form(client, question, "profile-erase")
        assert (erased.status_code, "is erased on disk" in erased.text) == (200, True), profile_id
        assert rows(db, "SELECT id FROM profile") == []


async def test_an_id_that_was_merged_leads_to_the_profile_that_it_stands_for(
    client: httpx.AsyncClient, db: Path
) -> None:
    profile_id = await track(client, "seen")
    execute(db, "INSERT INTO merged VALUES ('<old>', ?)", profile_id)
    page = await show(client, "<old>")
    assert page.status_code == 200
    assert "The id <code>&lt;old&gt;</code> was merged into this profile." in page.text
    assert f"Id <code>{profile_id}</code>" in page.text
    assert ">seen</a></strong>" in page.text
    question = await client.get("/ui/profile-erase", params={"id": "<old>"})
    assert f"Id <code>{profile_id}</code>" in question.text
    assert (await send_form(client, question, "profile-erase")).status_code == 200
    assert rows(db, "SELECT id FROM profile") == []


async def test_an_unknown_id_is_a_page_that_asks_for_another(client: httpx.AsyncClient) -> None:
    for name in ("profile", "profile-export", "profile-erase"):
        page = await client.get(f"/ui/{name}", params={"id": HOSTILE})
        assert page.status_code == 404
        assert f"There is no profile with the id <code>{HOSTILE}</code>" in unescape(page.text)
        assert HOSTILE not in page.text
        assert 'name="id"' in page.text
    token = {"form_token": await form_token(client)}
    assert (await client.post("/ui/profile-erase", params={"id": "nobody"}, data=token)).status_code == 404
    for without in (
        await client.post("/ui/profile-erase", data=token),
        await client.get("/ui/profile-erase"),
        await client.get("/ui/profile-export"),
    ):
        assert (without.status_code, without.headers["location"]) == (303, "profile")


@pytest.mark.parametrize("doc", ["{", "[]", "none", '{"a":' + "[" * 9_999 + "]" * 9_999 + "}"])
async def test_a_damaged_profile_is_a_page_that_names_the_remedy_and_can_be_erased(
    client: httpx.AsyncClient, db: Path, doc: str
) -> None:
    execute(db, INSERT, "x", doc)
    for name in ("profile", "profile-export"):
        page = await client.get(f"/ui/{name}?id=x")
        assert page.status_code == 500
        assert "trackd verify" in page.text
    question = await client.get("/ui/profile-erase?id=x")
    assert question.status_code == 200
    assert (await send_form(client, question, "profile-erase")).status_code == 200
    assert rows(db, "SELECT id FROM profile") == []


async def test_a_document_whose_parts_have_other_forms_is_shown(client: httpx.AsyncClient, db: Path) -> None:
    execute(db, INSERT, "x", '{"traits": 5, "metadata": null, "consents": [1], "segments": {}, "pii": {"n": 1e400}}')
    page = await show(client, "x")
    assert page.status_code == 200
    assert '<th scope="row">n</th><td>1e400</td>' in page.text


async def test_personal_data_finds_one_profile_several_or_none(client: httpx.AsyncClient) -> None:
    async def sign_up(session: str, email: str) -> str:
        return await track(client, session=session, events=[{"type": "sign-up", "properties": {"email": email}}])

    found = [await sign_up("1", "ann@example.com"), await sign_up("2", "Ann@Example.com")]
    alone = await sign_up("3", "bob@example.com")
    one = await client.get("/ui/profile", params={"pii": "email:BOB@example.com"})
    assert (one.status_code, one.headers["location"]) == (303, f"profile?id={alone}")
    several = await client.get("/ui/profile", params={"pii": "email:ann@example.com"})
    assert several.status_code == 200
    assert sorted(listed(several)) == sorted(found)
    none = await client.get("/ui/profile", params={"pii": f"email:{HOSTILE}"})
    assert none.status_code == 200
    assert "No profile has this personal data" in none.text
    assert f'name="pii" value="email:{HOSTILE}"' in unescape(none.text)
    assert HOSTILE not in none.text


async def test_many_profiles_with_the_same_personal_data_are_listed_in_pages(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile, "FOUND", 2)
    event = {"type": "sign-up", "properties": {"email": "ann@example.com"}}
    expected = {await track(client, session=f"s-{number}", events=[event]) for number in range(5)}
    page = await client.get("/ui/profile", params={"pii": "email:ann@example.com"})
    found = listed(page)
    while "Search on" in page.text:
        assert len(found) <= len(expected)
        page = await client.get(address_in(page, 'class="button quiet" href', "profile?pii="))
        assert page.status_code == 200
        found += listed(page)
    assert (len(found), set(found)) == (5, expected)


@pytest.mark.parametrize("pii", ["ann@example.com", "a..b:c", '"a:b', "x" * 1_001])
async def test_personal_data_of_a_wrong_form_is_explained_beside_the_field(client: httpx.AsyncClient, pii: str) -> None:
    page = await client.get("/ui/profile", params={"pii": pii})
    assert page.status_code == 422
    assert re.search(r'id="pii-fault">Personal data: (should|string should) ', page.text)
    assert re.search(r'id="pii"[^>]*aria-invalid="true"', page.text)


async def test_events_and_sessions_are_shown_in_pages(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile, "EVENTS", 2)
    monkeypatch.setattr(profile, "SESSIONS", 2)
    profile_id = await track(client, "t", "t", "t", session="1", profile="x y")
    for session in ("2", "3"):
        await track(client, "t", session=session, profile=profile_id)
    page = await show(client, profile_id)
    assert "Newest" not in page.text
    found = re.findall(r"Number (\d+),", page.text)
    for _ in range(2):
        page = await client.get(address_in(page, "href", "profile?id=x+y&amp;cursor=").partition("#")[0])
        assert "Newest events" in page.text
        found += re.findall(r"Number (\d+),", page.text)
    assert found == ["5", "4", "3", "2", "1"]
    assert "Older events" not in page.text
    older = address_in(page, 'class="button quiet" href', "profile?id=x+y&amp;cursor=")
    assert older.endswith("#sessions")
    last = await client.get(older.partition("#")[0])
    assert re.findall(r"Number (\d+),", last.text) == ["1"], "the other list stays where it is"
    assert re.findall(r'<th scope="row"><code>(.)</code>', last.text) == ["1"]
    for name in ("cursor", "sessions"):
        for value in ("", "x", "-1", "9" * 30):
            faulty = await show(client, profile_id, **{name: value})
            assert faulty.status_code == 422
            assert "go to its first page" in faulty.text


async def test_a_page_of_large_events_is_small_and_leads_to_all_of_them(client: httpx.AsyncClient) -> None:
    large = {"type": "t", "properties": {"text": "<" * 400_000}}
    for number in range(8):
        profile_id = await track(client, session="s", events=[large | {"id": f"e-{number}"}])
    page = await show(client, profile_id)
    found = re.findall(r"Number (\d+),", page.text)
    assert len(found) < 8
    while "Older events" in page.text:
        assert len(page.text) < 50_000
        page = await client.get(address_in(page, 'class="button quiet" href', "profile?id=").partition("#")[0])
        found += re.findall(r"Number (\d+),", page.text)
    assert found == [str(number) for number in range(8, 0, -1)]


async def test_an_event_that_another_tool_damaged_is_shown_as_far_as_it_can_be_read(
    client: httpx.AsyncClient, db: Path
) -> None:
    profile_id = await track(client, "t", "u")
    execute(db, "UPDATE event SET properties = '{', inserted = 'x', type = x'ff' WHERE seq = 1")
    execute(db, "UPDATE session SET context = '{', inserted = 5")
    page = await show(client, profile_id)
    assert page.status_code == 200
    assert re.findall(r"Number (\d+),", page.text) == ["2", "1"]


async def test_an_export_is_that_of_the_api_as_a_file_that_nothing_keeps(client: httpx.AsyncClient) -> None:
    profile_id = await track(client, "t", "u")
    exported = await client.get("/ui/profile-export", params={"id": profile_id})
    of_api = await client.get(f"/profile/{profile_id}/export", headers=bearer(ADMIN_SECRET))
    assert exported.json() == of_api.json()
    assert exported.headers["content-disposition"] == 'attachment; filename="profile.json"'
    assert exported.headers["cache-control"] == "no-store"
