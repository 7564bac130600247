"""Requests to a server in the event loop of the test, and the checks that hold for every error answer."""

from typing import Any

import httpx

from tests.support.payloads import SOURCE_ID
from tests.support.serving import serving
from trackd.config.settings import Settings
from trackd.core.documents import Source
from trackd.storage.memory import MemoryStore
from trackd.storage.store import Store

SOURCES = (
    Source(SOURCE_ID, "test"),
    Source("off", "disabled", enabled=False),
    Source("shop", "browsers of one shop", origins=("https://shop.example",)),
    Source("slow", "one call in a thousand seconds", rate_limit=0.001),
)
JSON = {"content-type": "application/json"}


async def ask(
    *requests: dict[str, Any], store: Store | None = None, settings: Settings | None = None
) -> list[httpx.Response]:
    """The answers to requests, one after the other. Each request holds arguments of `client.request`."""
    async with serving(store or MemoryStore(SOURCES), settings) as client:
        answers = [await client.request(**{"method": "POST", "url": "/track", **request}) for request in requests]
    for answer in answers:
        assert answer.headers["content-type"] == "application/json"
        assert float(answer.headers["x-process-time"]) >= 0
        assert "origin" in answer.headers["vary"].lower()
    return answers


async def refusal(status: int, *requests: dict[str, Any], **more: Any) -> Any:
    """The `detail` of the last answer, which has the format of all errors. `more` goes to `ask`."""
    answer = (await ask(*requests, **more))[-1]
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"detail"}
    if status in (429, 503):
        assert int(answer.headers["retry-after"]) >= 1
    return answer.json()["detail"]
