"""The erasure of a profile on the live page: the question before it, what stays, and who may."""

from pathlib import Path
from typing import Any

import httpx

from tests.support.database import rows
from tests.support.live_page import address_in, form_token, log_in, new_key, send_form
from tests.support.payloads import payload
from trackd.core.documents import TokenScope
from trackd.storage.sqlite.tokens import Tokens


async def track(client: httpx.AsyncClient, *types: str, **more: Any) -> str:
    """The id of the profile."""
    answer = await client.post("/track", json=payload("s", *types, **more))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["profile"]["id"])


async def test_events_are_kept_when_the_form_asks_for_it(client: httpx.AsyncClient, db: Path) -> None:
    profile_id = await track(client, events=[{"type": "t", "properties": {"secret": "mine"}}])
    question = await client.get("/ui/profile-erase", params={"id": profile_id})
    assert "Erase this profile?" in question.text
    assert len(rows(db, "SELECT id FROM profile")) == 1, "a question erases nothing"
    erased = await send_form(client, question, "profile-erase", keep="events")
    assert "Its events are kept" in erased.text
    assert [(row["type"], row["properties"]) for row in rows(db, "SELECT type, properties FROM event")] == [("t", "{}")]
    assert rows(db, "SELECT id FROM session") == []
    assert (await send_form(client, question, "profile-erase")).status_code == 404


async def test_another_profile_that_took_the_id_meanwhile_is_not_erased(client: httpx.AsyncClient, db: Path) -> None:
    profile_id = await track(client, "t")
    question = await client.get("/ui/profile-erase", params={"id": profile_id})
    again = await send_form(client, question, "profile-erase", inserted="2020-01-01T00:00:00.000000Z")
    assert again.status_code == 409
    assert "nothing was erased" in again.text
    assert len(rows(db, "SELECT id FROM profile")) == 1
    assert (await send_form(client, again, "profile-erase")).status_code == 200


async def test_a_login_needs_the_scope_to_erase(client: httpx.AsyncClient, db: Path) -> None:
    profile_id = await track(client, "t")
    await log_in(client, key=new_key(db, TokenScope.READ))
    page = await client.get("/ui/profile", params={"id": profile_id})
    assert page.status_code == 200
    assert "profile-erase" not in page.text
    assert (await client.get("/ui/profile-export", params={"id": profile_id})).status_code == 200
    assert (await client.get("/ui/profile-erase", params={"id": profile_id})).status_code == 403
    token = {"form_token": await form_token(client)}
    refused = await client.post("/ui/profile-erase", params={"id": profile_id}, data=token)
    assert refused.status_code == 403
    with Tokens(db) as tokens:
        secret = tokens.add("care", [TokenScope.READ, TokenScope.ERASE])
    await log_in(client, token=secret)
    page = await client.get("/ui/profile", params={"id": profile_id})
    assert "read only" not in page.text
    question = await client.get(address_in(page, "href", "profile-erase"))
    assert (await client.post(address_in(page, "href", "profile-erase"))).status_code == 415
    assert len(rows(db, "SELECT id FROM profile")) == 1
    assert (await send_form(client, question, "profile-erase")).status_code == 200
    assert rows(db, "SELECT id FROM profile") == []
