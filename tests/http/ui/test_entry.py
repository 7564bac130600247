"""The way into the live page and out of it, over a real socket."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.support.database import execute, rows
from tests.support.live_page import form_token, live_page, log_in, new_key
from tests.support.payloads import bearer
from tests.support.polling import eventually
from tests.support.serving import ADMIN_SECRET, serving
from trackd.config.settings import Settings, Ui
from trackd.core.documents import TokenScope, secret_hash
from trackd.storage.memory import MemoryStore
from trackd.storage.sqlite.tokens import Tokens

PREFIX = "/trackd"


@pytest.fixture
async def client(db: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with live_page(db, root_path=PREFIX) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "", PREFIX, f"{PREFIX}/", "/ui", f"{PREFIX}/ui", "/?utm_source=x"])
async def test_the_address_of_the_server_leads_to_the_live_page_below_any_prefix(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(path, follow_redirects=True)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    prefix = PREFIX if path.startswith(PREFIX) else ""
    assert answer.url.path == f"{prefix}/ui/"
    assert answer.history[0].status_code == 307
    assert not answer.history[0].headers["location"].startswith(("/", "http"))  # a proxy may strip any prefix


@pytest.mark.parametrize("path", ["/nothing", "/uix", "/ui-x", "/track/ui"])
async def test_clients_of_the_api_see_other_unknown_paths_as_before(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


async def test_every_page_has_the_headers_that_protect_it(client: httpx.AsyncClient) -> None:
    await log_in(client)
    for path in ("/ui/", "/ui/sources", "/ui/nothing"):
        answer = await client.get(path, follow_redirects=True)
        policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        assert policy == {
            "default-src": "'self'",
            "base-uri": "'none'",
            "form-action": "'self'",
            "frame-ancestors": "'none'",
            "object-src": "'none'",
        }
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"<style|<script(?! type=\"module\" src)|style=|\son\w+=|javascript:", answer.text)


@pytest.mark.parametrize(
    ("headers", "policy"),
    [
        ({}, "same-origin"),
        ({"host": "trackd.localhost:8686"}, "same-origin"),
        ({"host": "[::1]:8686"}, "same-origin"),
        ({"host": "collect.example"}, None),
        ({"host": "collect.example", "x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.1"}, "same-origin"),
    ],
)
async def test_a_page_isolates_itself_where_browsers_take_that(
    client: httpx.AsyncClient, headers: dict[str, str], policy: str | None
) -> None:
    answer = await client.get("/ui/sources", headers=headers)
    assert answer.headers.get("cross-origin-opener-policy") == policy


async def test_a_link_is_good_once(client: httpx.AsyncClient, db: Path) -> None:
    key = new_key(db)
    answer = await log_in(client, key=key)
    assert (answer.status_code, answer.headers["location"]) == (303, "./")
    assert (await client.get("/ui/sources")).status_code == 200
    client.cookies.clear()

    again = await log_in(client, key=key)
    assert again.status_code == 401
    assert "This link was used before" in again.text
    assert "set-cookie" not in again.headers
    assert "<table>" not in (await client.get("/ui/sources")).text


async def test_a_login_lasts_through_a_link_that_was_used_and_other_faults_of_links_are_shown(
    client: httpx.AsyncClient, db: Path
) -> None:
    key = new_key(db)
    await log_in(client, key=key)
    again = await log_in(client, key=key)
    assert (again.status_code, again.headers["location"]) == (303, "./")

    old = new_key(db)
    execute(db, "UPDATE login SET expires = '2020-01-01T00:00:00.000000Z' WHERE is_link = 1")
    assert (await log_in(client, key=old)).status_code == 401
    statuses = [(await log_in(client, key="wrong")).status_code for _ in range(20)]
    assert (statuses[0], statuses[-1]) == (303, 429)
    assert (await client.get("/ui/sources")).status_code == 200


async def test_a_link_is_good_for_30_minutes(client: httpx.AsyncClient, db: Path) -> None:
    key = new_key(db)
    [link] = rows(db, "SELECT inserted, expires FROM login")
    assert link["expires"][:4] == link["inserted"][:4]
    execute(db, "UPDATE login SET expires = '2020-01-01T00:00:00.000000Z'")
    assert (await log_in(client, key=key)).status_code == 401


async def test_the_file_has_no_secret_of_a_link_a_cookie_or_a_token(client: httpx.AsyncClient, db: Path) -> None:
    key = new_key(db)
    await log_in(client, key=key)
    [(name, secret)] = client.cookies.items()
    [login] = rows(db, "SELECT * FROM login")
    assert login["hash"] == secret_hash(secret)
    assert not {key, secret} & set(login.values())
    [installation] = rows(db, "SELECT number FROM installation")
    assert name == f"trackd_{installation['number']:x}"


async def test_the_cookie_is_strict_and_opens_the_pages_alone(client: httpx.AsyncClient, db: Path) -> None:
    answer = await log_in(client, key=new_key(db))
    cookie, *attributes = [part.strip().lower() for part in answer.headers["set-cookie"].split(";")]
    assert set(attributes) == {"httponly", "samesite=strict", "path=/ui/", "max-age=43200"}
    for path in ("/profiles", "/event-sources", "/metrics"):
        refused = await client.get(path, headers={"cookie": answer.headers["set-cookie"].split(";")[0]})
        assert refused.status_code == 401
        refused = await client.get(path, headers=bearer(cookie.partition("=")[2]))
        assert refused.status_code == 401


@pytest.mark.parametrize(
    ("headers", "attributes"),
    [
        ({"x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.1"}, ["Path=/ui/", "Secure"]),
        ({"referer": "https://shop.example/behind/a/proxy/ui/sources"}, ["Path=/behind/a/proxy/ui/"]),
        ({"referer": "https://shop.example/a b/<x>/ui/"}, ["Path=/ui/"]),
    ],
)
async def test_the_cookie_follows_the_scheme_and_the_path_that_the_browser_sees(
    client: httpx.AsyncClient, db: Path, headers: dict[str, str], attributes: list[str]
) -> None:
    answer = await client.post("/ui/login", data={"key": new_key(db)}, headers=headers)
    found = answer.headers["set-cookie"].split("; ")
    assert [part for part in found if part.startswith(("Path", "Secure"))] == attributes
    prefixed = await client.post(f"{PREFIX}/ui/login", data={"key": new_key(db)})
    assert f"Path={PREFIX}/ui/;" in prefixed.headers["set-cookie"]


@pytest.mark.parametrize("page", ["login", "logout", "source-state"])
async def test_the_address_of_a_form_leads_to_the_page_also_with_a_slash(client: httpx.AsyncClient, page: str) -> None:
    answer = await client.get(f"/ui/{page}/", follow_redirects=True)
    assert (answer.status_code, answer.url.path) == (200, "/ui/")


async def test_a_login_by_a_token_has_its_scopes_and_ends_with_it(client: httpx.AsyncClient, db: Path) -> None:
    with Tokens(db) as tokens:
        secret = tokens.add("reader", [TokenScope.READ])
    answer = await log_in(client, token=f" {secret} ", target="sources?a=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "./sources?a=1")
    page = await client.get("/ui/sources")
    assert "read only" in page.text
    with Tokens(db) as tokens:
        tokens.revoke("reader")

    async def has_ended() -> bool:  # it is accepted for another half second
        return "<table>" not in (await client.get("/ui/sources")).text

    await eventually(has_ended, "the login has ended")


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "../../x", "javascript:alert(1)", "a/b"])
async def test_a_login_leads_to_pages_of_trackd_alone(client: httpx.AsyncClient, target: str) -> None:
    answer = await log_in(client, token=ADMIN_SECRET, target=target)
    assert (answer.status_code, answer.headers["location"]) == (303, "./")


@pytest.mark.parametrize(
    ("form", "status", "sentence"),
    [
        ({"token": "trackd_wrong"}, 401, "There is no such token"),
        ({"token": ""}, 401, "There is no such token"),
        ({"key": "wrong"}, 401, "This link was used before"),
        ({"key": "x" * 100_000}, 401, "This link was used before"),
        ({"key": "\ud800"}, 401, "This link was used before"),
        ({f"f{number}": "" for number in range(201)}, 422, "at most 200 fields"),
    ],
)
async def test_a_refused_login_is_explained(
    client: httpx.AsyncClient, form: dict[str, str], status: int, sentence: str
) -> None:
    sent = {name: value.encode("utf-8", "surrogatepass") for name, value in form.items()}
    answer = await client.post("/ui/login", data=sent)
    assert answer.status_code == status
    assert sentence in answer.text
    assert "set-cookie" not in answer.headers


async def test_a_token_for_metrics_alone_does_not_open_the_page(client: httpx.AsyncClient, db: Path) -> None:
    with Tokens(db) as tokens:
        secret = tokens.add("prometheus", [TokenScope.METRICS])
    answer = await log_in(client, token=secret)
    assert answer.status_code == 403
    assert "scope `read`" in answer.text


async def test_failed_logins_count_in_the_limit_on_failed_tokens(client: httpx.AsyncClient, db: Path) -> None:
    statuses = [(await log_in(client, key=f"wrong {number}")).status_code for number in range(8)]
    statuses += [(await client.get("/profiles", headers=bearer("wrong"))).status_code for _ in range(8)]
    assert (statuses[0], statuses[-1]) == (401, 429)
    assert (await log_in(client, key="wrong")).status_code == 429
    assert (await log_in(client, key=new_key(db))).status_code == 303  # never one that is good


async def test_a_form_of_another_site_does_not_log_in(client: httpx.AsyncClient, db: Path) -> None:
    for site in ("cross-site", "same-site"):
        answer = await client.post("/ui/login", data={"key": new_key(db)}, headers={"sec-fetch-site": site})
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


async def test_a_login_ends_by_the_button_and_by_the_command(client: httpx.AsyncClient, db: Path) -> None:
    await log_in(client, key=new_key(db))
    secret = dict(client.cookies)
    answer = await client.post("/ui/logout", data={"form_token": await form_token(client)})
    assert (answer.status_code, answer.headers["location"]) == (303, "./")
    assert len(client.cookies) == 0
    client.cookies.update(secret)
    assert "<table>" not in (await client.get("/ui/sources")).text
    assert rows(db, "SELECT * FROM login") == []

    client.cookies.clear()
    await log_in(client, key=new_key(db))
    with Tokens(db) as tokens:
        [login] = tokens.logins()
        tokens.revoke(login.name)
    assert "<table>" not in (await client.get("/ui/sources")).text


async def test_logging_out_over_https_ends_the_login_over_http_too(client: httpx.AsyncClient, db: Path) -> None:
    secure = {"x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.1"}
    cookies = []
    for headers in ({}, secure):
        answer = await client.post("/ui/login", data={"key": new_key(db)}, headers=headers)
        cookies.append(answer.headers["set-cookie"].split(";")[0])
        client.cookies.clear()
    client.headers["cookie"] = "; ".join(cookies)
    page = await client.get("/ui/sources", headers=secure)
    [form_token, *_] = re.findall(r'name="form_token" value="([0-9a-f]+)"', page.text)

    answer = await client.post("/ui/logout", data={"form_token": form_token}, headers=secure)

    names = [cookie.partition("=")[0] for cookie in cookies]
    deleted = answer.headers.get_list("set-cookie")
    assert sorted(cookie.partition("=")[0] for cookie in deleted) == sorted(names)
    assert all("Max-Age=0; Path=/ui/;" in cookie for cookie in deleted)
    assert rows(db, "SELECT * FROM login") == []


async def test_without_a_page_its_paths_do_not_exist() -> None:
    async with serving(MemoryStore(), Settings(ui=Ui(enabled=False))) as client:
        for path in ("/", "/ui", "/ui/", "/ui/sources", "/ui/static/style.css"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})
