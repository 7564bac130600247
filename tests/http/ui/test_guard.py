"""What requests of the live page need: a login, its scope, and the hidden field of a form."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from tests.support.live_page import form_token, live_page, log_in, new_key
from tests.support.serving import ADMIN_SECRET
from trackd.core.documents import TokenScope


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with live_page(tmp_path / "trackd.db") as client:
        yield client


async def test_a_page_without_a_login_asks_for_a_token_and_others_get_json(client: httpx.AsyncClient) -> None:
    page = await client.get("/ui/sources", headers={"sec-fetch-site": "none"})
    assert page.status_code == 200
    assert 'name="token"' in page.text
    assert 'name="target" value="sources"' in page.text
    for headers in (
        {"accept": "text/event-stream"},
        {"accept": "image/avif,image/webp,*/*;q=0.8"},
        {"accept": "*/*", "sec-fetch-dest": "empty"},
    ):
        answer = await client.get("/ui/sources", headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"detail": "Not authenticated"})


async def test_a_visit_from_another_site_loads_itself_once_more_to_get_its_cookie(client: httpx.AsyncClient) -> None:
    first = await client.get("/ui/sources?id=a%26b", headers={"sec-fetch-site": "cross-site"})
    assert 'content="0; url=?again=1&amp;id=a%26b"' in first.text
    assert 'name="token"' not in first.text
    second = await client.get("/ui/sources?again=1&id=a%26b", headers={"sec-fetch-site": "cross-site"})
    assert 'http-equiv="refresh"' not in second.text
    assert 'name="target" value="sources?id=a%26b"' in second.text
    await log_in(client)
    third = await client.get("/ui/sources?again=1&id=a%26b")
    assert (third.status_code, third.headers["location"]) == (303, "./sources?id=a%26b")
    assert (await client.get("/ui/?again=1")).headers["location"] == "./"


async def test_a_cookie_that_opens_nothing_any_more_causes_no_reload(client: httpx.AsyncClient) -> None:
    await log_in(client)
    [(name, _)] = client.cookies.items()
    page = await client.get("/ui/sources", headers={"cookie": f"{name}=over", "sec-fetch-site": "cross-site"})
    assert 'name="token"' in page.text


async def test_a_form_needs_the_text_of_this_login(client: httpx.AsyncClient) -> None:
    await log_in(client)
    foreign = await form_token(client)
    await log_in(client)
    for form in ({"x": ""}, {"form_token": ""}, {"form_token": foreign}, {"form_token": "ä"}):
        answer = await client.post("/ui/logout", data=form)
        assert answer.status_code == 403
        assert "not of a page of this login" in answer.text
    own = {"form_token": await form_token(client)}
    refused = await client.post("/ui/logout", data=own, headers={"sec-fetch-site": "same-site"})
    assert refused.status_code == 403
    refused = await client.post("/ui/logout", json=own)
    assert refused.status_code == 415
    assert (await client.post("/ui/logout", data=own)).status_code == 303
    late = await client.post("/ui/logout", data=own)
    assert late.status_code == 401
    assert "The login has ended" in late.text


async def test_a_page_with_a_slash_at_its_end_leads_to_the_one_without(client: httpx.AsyncClient) -> None:
    await log_in(client)
    answer = await client.get("/ui/sources/?a=1", follow_redirects=True)
    assert (answer.status_code, str(answer.url.raw_path)) == (200, "b'/ui/sources?a=1'")


async def test_an_unknown_page_is_a_page(client: httpx.AsyncClient) -> None:
    await log_in(client)
    answer = await client.get("/ui/nothing/at/all")
    assert answer.status_code == 404
    assert "There is no such page" in answer.text


@pytest.mark.parametrize("path", ["/ui/nothing", "/ui/nothing/at/all", "/ui/a%2Fb", "/ui/a/b%2Fc"])
async def test_addresses_in_a_page_that_does_not_exist_lead_to_pages_and_files(
    client: httpx.AsyncClient, path: str
) -> None:
    for status in (200, 404):  # the page that asks for a token, and the page about the error
        page = await client.get(path, headers={"sec-fetch-site": "none"})
        assert page.status_code == status
        addresses = {
            urljoin(str(page.url), found) for found in re.findall(r'(?:href|src|action)="([^"#]+)"', page.text)
        }
        answers = [await client.get(address) for address in addresses]
        assert {urlsplit(address).path for address in addresses} >= {"/ui/", "/ui/static/style.css"}
        assert [answer.url for answer in answers if answer.status_code not in (200, 303)] == []
        await log_in(client)


async def test_the_page_shows_what_is_stored_as_text(client: httpx.AsyncClient) -> None:
    await log_in(client)
    page = await client.get("/ui/sources")
    assert "a &lt;b&gt;shop&lt;/b&gt;" in page.text
    assert ADMIN_SECRET not in page.text


async def test_a_link_for_reading_cannot_change_anything(client: httpx.AsyncClient, tmp_path: Path) -> None:
    await log_in(client, key=new_key(tmp_path / "trackd.db", TokenScope.READ))
    assert "read only" in (await client.get("/ui/sources")).text
