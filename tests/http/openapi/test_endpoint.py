"""GET /openapi.json: its server, and examples that work as they are."""

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from starlette.routing import Route

from tests.support.payloads import SOURCE_ID
from tests.support.serving import serving
from trackd.core.documents import Source
from trackd.http.openapi.endpoint import ApiDescription
from trackd.http.openapi.examples import SOURCE_OF_EXAMPLE
from trackd.storage.memory import MemoryStore

UNUSABLE = [Source("off", "disabled", enabled=False), Source("pages", "of one origin", origins=("https://a.example",))]


def example(answer: httpx.Response, method: str, path: str) -> Any:
    contents = answer.json()["paths"][path][method]["requestBody"]["content"].values()
    [found] = {str(content["example"]): content["example"] for content in contents}.values()
    return found


async def test_the_examples_work_as_they_are_and_the_server_is_where_the_description_is() -> None:
    async with serving(MemoryStore([*UNUSABLE, Source(SOURCE_ID, 'a "usable" one')]), admin=True) as client:
        described = await client.get("/openapi.json")
        [server] = described.json()["servers"]
        assert urljoin("https://a.example/trackd/openapi.json", server["url"]) == "https://a.example/trackd/"
        for _ in range(2):
            answer = await client.post("/track", json=example(described, "post", "/track"))
            assert (answer.status_code, answer.json()["debugging"]["events"]["saved"]) == (200, 1)
        added = await client.post("/event-source", json=example(described, "post", "/event-source"))
        assert added.status_code == 200
        for method in ("put", "patch"):
            body = example(described, method, "/event-source/{id}")
            answer = await client.request(method, f"/event-source/{added.json()['id']}", json=body)
            assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://a.example"},
        {"host": "rebound.example"},
        {"x-forwarded-for": "127.0.0.1"},
        {"X-Forwarded-Proto": "https"},
        {"forwarded": "for=127.0.0.1"},
        {"via": "1.1 proxy"},
        {"x-real-ip": "127.0.0.1"},
    ],
)
async def test_a_request_from_another_machine_or_site_sees_the_id_of_no_source(headers: dict[str, str]) -> None:
    async with serving(MemoryStore([Source(SOURCE_ID, "test")])) as client:
        described = await client.get("/openapi.json", headers=headers)

    assert example(described, "post", "/track")["source"] == {"id": SOURCE_OF_EXAMPLE}
    assert SOURCE_ID not in described.text


async def test_without_a_usable_source_the_example_has_none() -> None:
    async with serving(MemoryStore(UNUSABLE)) as client:
        described = await client.get("/openapi.json")

    assert example(described, "post", "/track")["source"] == {"id": SOURCE_OF_EXAMPLE}


async def test_the_description_is_built_once_for_many_requests_that_come_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built: list[ApiDescription] = []
    describe = ApiDescription._describe

    def noted(self: ApiDescription, routes: Sequence[Route]) -> bytes:
        built.append(self)
        return describe(self, routes)

    monkeypatch.setattr(ApiDescription, "_describe", noted)
    async with serving(MemoryStore([Source(SOURCE_ID, "test")])) as client:
        answers = await asyncio.gather(*(client.get("/openapi.json") for _ in range(5)))
    assert [answer.status_code for answer in answers] == [200] * 5
    assert len({answer.content for answer in answers}) == 1
    assert len(built) == 1
