"""Hostile clients whose small calls take much work, under the rules of `rules.toml`."""

import gzip

from tests.hostile.clients import Client, call, kind, post

PAIRS = [2] * 300  # 90,000 pairs for each of two conditions


def pairs(client: Client, number: int = 0) -> bytes:
    """A call of 700 bytes and some 40 ms, in a session of its own."""
    return post(call(1, f"{id(client)}-{number}", "pairs", l=PAIRS))


@kind(100)
async def costly_calls(client: Client) -> None:
    request = pairs(client)
    while True:
        await client.send(request)
        await client.read()


@kind(50, addresses=50)
async def costly_calls_of_many_addresses(client: Client) -> None:
    await costly_calls(client)


@kind(100, addresses=50)
async def first_calls_that_are_costly(client: Client) -> None:
    """Each on a connection of its own."""
    await client.send(pairs(client))
    await client.read()


@kind(1_000, addresses=250)
async def waves_of_costly_calls(client: Client) -> None:
    """They all come at once, again and again."""
    for number in range(1_000):
        await client.send(pairs(client, number))
        await client.read()


def growing(client: Client, number: int) -> bytes:
    """A call of some KB that makes the client's profile larger, until it has as many bytes as it may."""
    properties = {f"{number}-{member}": "x" * 20 for member in range(200)}
    return post(call(1, f"{id(client)}", "grow", **properties))


@kind(50, addresses=50)
async def events_under_conditions_over_a_large_profile(client: Client) -> None:
    for number in range(4):
        await client.send(growing(client, number))
        await client.read()
    for events in (1, 10, 300) * 1_000:
        await client.send(post(call(events, f"{id(client)}", "counted")))
        await client.read()


@kind(100, addresses=50)
async def profiles_that_grow(client: Client) -> None:
    for number in range(100_000):
        await client.send(growing(client, number))
        await client.read()


@kind(100, addresses=50)
async def compressed_calls_that_are_costly(client: Client) -> None:
    for number in range(100_000):
        body = gzip.compress(call(15, f"{id(client)}-{number}", "pairs", l=[2] * 150))
        await client.send(post(body, "Content-Encoding: gzip"))
        await client.read()
