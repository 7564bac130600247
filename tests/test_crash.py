"""The promise of a 200 across kill -9 and SIGTERM, under load."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable

import httpx
import pytest

from tests.crash_load import WITHIN_S, Load, check_file
from tests.support.payloads import payload
from tests.support.polling import eventually
from tests.support.process import Process, has_ended
from trackd.storage.sqlite.connection import connect, transaction
from trackd.storage.sqlite.lock import DatabaseLock

Serve = Callable[..., Process]

ROUNDS = [0, *(pytest.param(number, marks=pytest.mark.slow) for number in (1, 2))]


@pytest.mark.parametrize("round_number", ROUNDS)
async def test_after_kill_9_under_load_every_answered_event_is_stored_once(serve: Serve, round_number: int) -> None:
    load = Load(serve())
    await load.run(load.server.process.kill)
    assert load.server.process.wait() == -signal.SIGKILL
    serve()  # starts on the same file
    check_file(load)


@pytest.mark.parametrize("round_number", ROUNDS)
async def test_after_kill_9_of_the_writer_the_server_continues_and_every_answered_event_is_stored_once(
    serve: Serve, round_number: int
) -> None:
    load = Load(serve())

    clients = asyncio.create_task(load.run(load.server.process.terminate))
    await asyncio.wait_for(load.some.wait(), WITHIN_S)
    os.kill(load.server.writer_pid(), signal.SIGKILL)
    await clients
    _, log = load.server.process.communicate(timeout=30)
    assert load.server.process.returncode == 0, log
    assert log.count("calls are answered 503: the writer process was ended by SIGKILL") == 1
    assert "Traceback" not in log
    assert load.refused > 0
    check_file(load)


async def is_ready(client: httpx.AsyncClient) -> bool:
    return (await client.get("/ready")).status_code == 200


async def not_ready(client: httpx.AsyncClient) -> httpx.Response | None:
    answer = await client.get("/ready")
    return None if answer.status_code == 200 else answer


async def test_ready_is_503_while_there_is_no_writer_process(serve: Serve) -> None:
    server = serve()

    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        with contextlib.closing(connect(server.db, mode="rw")) as other, transaction(other):
            # The next writer process cannot open the file before the end of this transaction.
            os.kill(server.writer_pid(), signal.SIGKILL)
            answer = await eventually(lambda: not_ready(client), "/ready is not 200")
        await eventually(lambda: is_ready(client), "/ready is 200 again")

    assert (answer.status_code, answer.json()) == (503, {"detail": "The store does not take writes."})
    assert httpx.post(f"{server.url}/track", json=payload("s", "page-view"), timeout=30).status_code == 200


def test_the_writer_process_ends_when_the_server_is_killed(serve: Serve) -> None:
    server = serve()
    writer = server.writer_pid()
    assert not has_ended(writer)
    server.stop(signal.SIGKILL)
    with DatabaseLock(server.db):  # the writer process holds it too, so this waits for its end
        assert has_ended(writer)


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
async def test_a_stop_under_load_answers_accepted_calls_and_resets_no_connection(
    serve: Serve, number: signal.Signals
) -> None:
    # A client with an idle connection must send before the drain ends. The drain ends when all have left.
    load = Load(serve(TRACKD_SERVER_DRAIN_MS="30000"))
    await load.run(lambda: load.server.process.send_signal(number))
    _, log = load.server.process.communicate(timeout=30)
    assert load.server.process.returncode == 0, log
    assert "Traceback" not in log
    assert load.broken == []
    check_file(load)


async def test_ready_is_503_while_the_server_stops(serve: Serve) -> None:
    server = serve(TRACKD_SERVER_DRAIN_MS="30000")

    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        assert (await client.get("/ready")).status_code == 200
        assert (await client.get("/healthcheck")).json() == {"status": "alive"}
        server.process.terminate()
        answer = await eventually(lambda: not_ready(client), "/ready is not 200")

    assert (answer.status_code, answer.json()) == (503, {"detail": "The server is stopping."})
    assert server.process.wait(30) == 0


async def test_a_request_that_never_ends_does_not_delay_the_stop(serve: Serve) -> None:
    server = serve(TRACKD_SERVER_STOP_TIMEOUT_S="600")

    host, port = server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b'POST /track HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n{"source"')
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"  # it waits for the rest
    server.process.terminate()
    rest = await reader.read()
    writer.close()

    assert rest == b""
    _, log = server.process.communicate(timeout=30)
    assert (server.process.returncode, "Traceback" in log) == (0, False)


def test_sighup_at_any_moment_ends_no_server(serve: Serve) -> None:
    server = serve()
    server.process.terminate()
    for _ in range(200):  # its log lines must fit into a pipe without a reader
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.process.wait(0.005)
            break
        server.process.send_signal(signal.SIGHUP)
    assert server.process.wait(30) == 0
