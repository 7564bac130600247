"""Hostile clients whose small calls take much work, under the rules of `rules.toml`."""

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
