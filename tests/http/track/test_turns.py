"""Turns of large calls: none is lost, they keep their order, and small calls pass between them."""

import asyncio
import gzip
import weakref
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tests.http.server.track_requests import call, new_store, post, running, status_and_session
from tests.support.payloads import SOURCE_ID
from tests.support.polling import eventually
from tests.support.raw_http import connect, connected, request
from trackd.core.calls import Rejected, Track
from trackd.core.work import FULL, Allowance
from trackd.http.body import Body
from trackd.http.clients import Client, Peer
from trackd.http.errors import HttpError
from trackd.http.track import turns
from trackd.http.track.costly_work import LITTLE, VERY_LITTLE, allowance_of
from trackd.http.track.pending_call import PendingCall, no_callback
from trackd.http.track.turns import POSTPONED, REPEATED, Turns, in_turn
from trackd.telemetry.tally import Tally

LARGE = 30
CLIENT, OTHER = Client(group="10.0.0.1"), Client(group="10.0.0.2")
CALL = Track(7, "source", "session", "now")


def take_long(tally: Tally, units: int) -> None:
    """As the actor that decided on `CALL`."""
    tally.long_call, tally.long_call_work = CALL.number, units


def pending(*, is_postponed: bool = False) -> PendingCall:
    answer = Rejected(CALL.number, is_postponed=is_postponed)
    return PendingCall(request=CALL, size=0, answered=no_callback, answer=answer)


async def test_a_turn_is_free_until_large_calls_have_taken_their_time() -> None:
    each = Turns(Tally())
    each.spend(turns.BUSY_S / 2)
    assert each.is_free()
    each.spend(turns.BUSY_S / 2)
    assert not each.is_free()
    await asyncio.wait_for(each.take(CLIENT), 5)  # after the pause


@pytest.mark.parametrize("seconds", [0.0, turns.BUSY_S / 3, turns.BUSY_S])
async def test_all_that_wait_have_their_turns_one_at_a_time_in_their_order(seconds: float) -> None:
    each, order, running_now = Turns(Tally()), list[int](), 0
    each.spend(turns.BUSY_S)

    async def work(number: int) -> None:
        nonlocal running_now
        await each.take(CLIENT)
        running_now += 1
        assert running_now == 1
        order.append(number)
        running_now -= 1
        each.spend(seconds)

    await asyncio.wait_for(asyncio.gather(*map(work, range(8))), 5)
    assert order == list(range(8))


@pytest.mark.parametrize("spent", [0.0, turns.BUSY_S])
async def test_no_turn_is_given_while_many_bytes_wait_for_their_commit(spent: float) -> None:
    queued, looks, order = 100, 0, list[int]()

    def look() -> int:
        nonlocal looks
        looks += 1
        return queued

    async def work(number: int) -> None:
        nonlocal queued
        await each.take(CLIENT)
        order.append(number)
        queued += 60
        each.spend(0.0)

    async def looked_again() -> list[int]:
        before = looks
        await eventually(lambda: looks > before + 2)
        return order

    each = Turns(Tally(), look, max_queued=100)
    assert not each.is_free()
    each.add(spent)
    waiting = [asyncio.create_task(work(number)) for number in range(3)]
    assert await looked_again() == []
    queued = 99
    assert await looked_again() == [0]
    queued = 0
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    assert order == [0, 1, 2]


async def test_a_call_that_is_given_up_passes_its_turn_on() -> None:
    each = Turns(Tally())
    each.spend(turns.BUSY_S)
    waiting = [asyncio.create_task(each.take(CLIENT)) for _ in range(4)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.wait_for(waiting[1], 5)
    waiting[2].cancel()
    each.spend(0.0)
    await asyncio.wait_for(waiting[3], 5)


async def test_the_last_call_of_the_client_with_most_is_refused_when_too_many_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "MAX_WAITING", 2)
    each = Turns(Tally())
    each.spend(turns.BUSY_S)
    first = [asyncio.create_task(each.take(CLIENT)) for _ in range(2)]
    other = asyncio.create_task(each.take(Client(group="10.0.0.2")))
    with pytest.raises(HttpError) as raised:
        await first[1]
    assert (raised.value.status_code, raised.value.kind) == (503, "too many large calls")
    await asyncio.wait_for(first[0], 5)
    each.spend(0.0)
    await asyncio.wait_for(other, 5)


async def test_clients_take_turns_and_connections_that_are_known_to_be_costly_come_last() -> None:
    tally, order = Tally(), list[str]()
    each = Turns(tally)
    costly = ("10.0.0.1", 1)
    take_long(tally, 100_000_000)
    each.costly.note(CALL, CLIENT, costly)
    each.spend(turns.BUSY_S)

    async def work(name: str, client: Client, peer: Peer | None, size: int) -> None:
        await each.take(client, peer, size)
        order.append(name)
        each.spend(0.0)

    waiting = [
        asyncio.create_task(work(*arguments))
        for arguments in (
            ("costly", CLIENT, costly, 10),
            ("large", CLIENT, ("10.0.0.1", 2), 500),
            ("small", CLIENT, ("10.0.0.1", 3), 100),
            ("other", Client(group="10.0.0.2"), None, 900),
        )
    ]
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    assert order == ["small", "other", "large", "costly"]


async def test_costly_connections_have_a_quarter_of_the_time_while_others_wait() -> None:
    each, order = Turns(Tally()), list[str]()
    each.spend(turns.BUSY_S)

    async def work(name: str, seconds: float) -> None:
        await each.take(CLIENT, is_costly=name == "costly")
        order.append(name)
        each.spend(seconds)

    short = turns.BUSY_S / 10
    waiting = [asyncio.create_task(work("costly", short * 10)) for _ in range(3)]
    waiting += [asyncio.create_task(work("other", short)) for _ in range(50)]
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    costly = [position for position, name in enumerate(order) if name == "costly"]
    assert costly[0] in (10, 11)
    assert costly[1] - costly[0] in (31, 32)
    assert (costly[2], len(order)) == (52, 53)


async def test_a_small_call_is_tried_beside_costly_ones_of_its_client_but_not_on_their_connection() -> None:
    tally = Tally()
    each = Turns(tally)
    costly, quick = ("10.0.0.1", 1), ("10.0.0.1", 2)
    assert each.of_small_call(CLIENT, costly) == (False, FULL)
    take_long(tally, 50_000_000)
    assert each.note(pending(), CLIENT, costly, had_turn=False) == 50_000_000
    assert each.of_small_call(CLIENT, costly)[0]
    assert each.of_small_call(CLIENT, quick) == (False, VERY_LITTLE)
    assert each.of_small_call(CLIENT, None) == (False, VERY_LITTLE)
    assert each.of_small_call(OTHER, None) == (False, FULL)


async def test_after_much_work_without_turns_the_small_calls_of_all_clients_have_an_allowance() -> None:
    tally = Tally()
    each = Turns(tally)
    for had_turn in (True, False):
        take_long(tally, 240_000_000)
        assert each.of_small_call(OTHER, None) == (False, FULL)
        each.note(pending(), CLIENT, None, had_turn=had_turn)
    assert each.of_small_call(OTHER, None) == (False, LITTLE)
    take_long(tally, 4_000_000)
    assert each.note(pending(), OTHER, None, had_turn=False) == 4_000_000
    assert each.of_small_call(OTHER, None) == (False, LITTLE)  # it is not costly
    take_long(tally, LITTLE.units)
    each.note(pending(is_postponed=True), Client(group="10.0.0.3"), None, had_turn=False)
    take_long(tally, 100_000_000)
    each.note(pending(), Client(group="10.0.0.4"), None, had_turn=False)
    assert each.of_small_call(OTHER, None) == (False, VERY_LITTLE)
    assert tally.postponed_calls == 1


async def test_a_call_with_a_turn_has_an_allowance_while_others_wait_unless_it_is_costly() -> None:
    each, given = Turns(Tally()), list[Allowance]()
    assert await each.take(CLIENT, size=2_000) is FULL
    each.spend(turns.BUSY_S)

    async def work(is_costly: bool) -> None:
        given.append(await each.take(CLIENT, size=2_000, is_costly=is_costly))
        each.spend(0.0)

    waiting = [asyncio.create_task(work(is_costly)) for is_costly in (True, False, False, True)]
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    assert given == [allowance_of(2_000), allowance_of(2_000), FULL, FULL]


async def test_a_postponed_call_comes_again_with_the_full_allowance_and_has_a_turn() -> None:
    each, scope, body = Turns(Tally()), {"client": ("10.0.0.1", 1), "state": {}}, Body(1_000)
    given, answers = list[Allowance](), [True, False]

    def submit(allowance: Allowance) -> PendingCall:
        given.append(allowance)
        return pending(is_postponed=answers.pop(0))

    assert not (await in_turn(each, CLIENT, scope, body, submit)).is_postponed
    assert given == [FULL, REPEATED]
    answers, scope["state"] = [False], {POSTPONED: True}
    await in_turn(each, CLIENT, scope, body, submit)
    assert given[2] is REPEATED


async def test_a_postponed_call_is_not_kept_as_it_was_decoded_while_it_waits() -> None:
    each, scope, body = Turns(Tally()), {"client": ("10.0.0.1", 1), "state": {}}, Body(1_000)
    decoded = list[weakref.ref[Callable[[], None]]]()

    def submit(_: Allowance) -> PendingCall:
        def answered() -> None:
            pass

        assert [each() for each in decoded] == [None] * len(decoded)
        decoded.append(weakref.ref(answered))
        return replace(pending(is_postponed=len(decoded) < 3), answered=answered)

    await in_turn(each, CLIENT, scope, body, submit)
    assert len(decoded) == 3


TINY = f'{{"source":{{"id":"{SOURCE_ID}"}},"session":{{"id":"large"}},"events":[%s]}}' % ",".join(['{"type":"t"}'] * 60)
EVENTS = call("large", *["t"] * 500)
FORM = "Content-Type: application/x-www-form-urlencoded"
TAKE_TURNS = {
    "many bytes": post(EVENTS),
    "compressed": post(gzip.compress(EVENTS), "Content-Encoding: gzip"),
    "many objects": post(TINY.encode()),
    "many objects in a form": request(b"data=" + TINY.replace("{", "%7B").encode(), FORM),
}


@pytest.mark.parametrize("name", TAKE_TURNS)
async def test_small_calls_pass_between_large_ones_that_arrived_before(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "BUSY_S", 1e-9)  # one at a time
    async with running(new_store()) as url, connected(url) as small:
        large = [await connect(url) for _ in range(LARGE)]
        for connection in large:
            connection.writer.write(TAKE_TURNS[name])
        answers = [asyncio.create_task(connection.answer()) for connection in large]
        assert status_and_session(await small.ask(post(call("small")))) == (200, "small")
        assert sum(answer.done() for answer in answers) < LARGE / 2
        assert [(await answer).status for answer in answers] == [200] * LARGE
        for connection in large:
            await connection.close()
