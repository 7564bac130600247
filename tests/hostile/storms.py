"""Hostile clients that send many requests which cost little each: refusals, searches, preflights, small calls."""

import json

from tests.hostile.clients import Client, call, get, kind, post
from tests.support.payloads import SOURCE_ID

TOO_MANY_FAULTS = json.dumps(
    {
        "source": {"id": SOURCE_ID},
        "session": {"id": "hostile"},
        "events": [{"type": 1, "id": {}, "properties": 1, "context": 1, "options": 1}] * 1_000,
    }
).encode()
REFUSED = {
    "422": post(b"{}"),
    "401": post(call(1).replace(SOURCE_ID.encode(), b"unknown")),
    "404": get("/unknown"),
    "405": get("/track"),
    "415": post(b"x", "Content-Type: image/png"),
    "403": get("/events", "Authorization: Bearer unknown"),
}
PREFLIGHT = get(
    "/track", "Origin: https://shop.example", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: x"
).replace(b"GET", b"OPTIONS", 1)
SEARCHES = [
    get(path, "Authorization: Bearer unknown")
    for path in (
        "/events?type=t",
        "/profiles?trait=a:b",
        "/profiles?pii=email:a",
        "/segments",
        "/metrics",
        "/profile/count",
    )
]


async def _ask_on(client: Client, *requests: bytes) -> None:
    """Send the requests again and again, each after the answer to the one before."""
    while True:
        for request in requests:
            await client.send(request)
            if not await client.read():
                return


@kind(200)
async def refusals_of_all_sorts(client: Client) -> None:
    await _ask_on(client, *REFUSED.values())


@kind(100)
async def calls_with_thousands_of_faults(client: Client) -> None:
    while True:
        await client.send(post(TOO_MANY_FAULTS))
        for _ in range(130):  # of 4 KB
            await client.read()


@kind(200)
async def searches_without_a_token(client: Client) -> None:
    await _ask_on(client, *SEARCHES)


@kind(200)
async def preflights(client: Client) -> None:
    await _ask_on(client, PREFLIGHT)


@kind(500)
async def pipelined_heads_and_options(client: Client) -> None:
    while True:
        await client.send((get("/").replace(b"GET", b"HEAD", 1) + PREFLIGHT) * 100)
        for _ in range(20):
            await client.read()


@kind(100)
async def calls_with_idempotency_keys(client: Client) -> None:
    for number in range(10_000):
        await client.send(post(call(1_000), f"Idempotency-Key: {id(client)}-{number % 3}"))
        await client.read()


@kind(500)
async def calls_of_many_sessions(client: Client) -> None:
    for number in range(100_000):
        await client.send(post(call(1, session=f"{id(client)}-{number}")))
        await client.read()


@kind(2_000)
async def small_calls(client: Client) -> None:
    await _ask_on(client, post(call(1), "Content-Type: application/json"))


@kind(3_000)
async def small_calls_of_many_tiny_events(client: Client) -> None:
    await _ask_on(client, post(call(68)))


@kind(200)
async def forms_of_percent_signs(client: Client) -> None:
    await _ask_on(client, post(b"data=" + b"%41a" * 200_000, "Content-Type: application/x-www-form-urlencoded"))
