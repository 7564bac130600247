"""The view Live of a real server: it restarts, and events appear soon."""

import signal
import statistics
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.support.live_list import follows
from tests.support.live_page import new_key
from tests.support.payloads import payload
from tests.support.process import Process

Serve = Callable[..., Process]
EVENTS = 100
PAUSE_S = 0.05  # so that all of them are shown
NOTE_TIMES = """() => {
    window.shownAt = {};
    const note = (records) => records.forEach(({ addedNodes }) => addedNodes.forEach((row) => {
        window.shownAt[row.dataset.key] ??= performance.timeOrigin + performance.now();
    }));
    new MutationObserver(note).observe(document.getElementById("rows"), { childList: true });
}"""
SEND = """async ([url, calls, pauseMs]) => {
    const answeredAt = {};
    for (const call of calls) {
        await (await fetch(`${url}/track`, { method: "POST", body: JSON.stringify(call) })).json();
        answeredAt[call.events[0].id] = performance.timeOrigin + performance.now();
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    return answeredAt;
}"""


async def open_page(page: Page, server: Process) -> None:
    await page.goto(f"{server.url}/ui/#k={new_key(server.db)}")
    await follows(page)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_after_a_restart_the_list_goes_on_where_it_was(
    serve: Serve, page: Page, faults: list[str], number: signal.Signals
) -> None:
    server = serve()
    await open_page(page, server)
    types = page.locator("#rows .type")
    httpx.post(f"{server.url}/track", json=payload("s", "before")).raise_for_status()
    await expect(types).to_have_text(["before"])
    server.stop(number)
    await expect(page.locator("#state")).to_have_text("Not connected: trying again.")
    again = serve(port=urlsplit(server.url).port)
    httpx.post(f"{again.url}/track", json=payload("s", "after")).raise_for_status()
    await expect(types).to_have_text(["after", "before"], timeout=30_000)
    await follows(page)
    faults[:] = [fault for fault in faults if "ERR_" not in fault]


@pytest.mark.slow
async def test_how_long_after_its_answer_an_event_is_in_the_list(serve: Serve, page: Page) -> None:
    """It prints the times: run it with `-s` on a machine that does nothing else."""
    server = serve()
    await open_page(page, server)
    await page.evaluate(NOTE_TIMES)
    client = await page.context.new_page()  # of the same browser: both read one clock
    await client.goto(f"{server.url}/ui/sources")
    await page.bring_to_front()
    calls = [payload(f"s-{at % 10}", "page-view") for at in range(EVENTS)]
    for at, call in enumerate(calls):
        call["events"][0]["id"] = f"e-{at}"
    answered = await client.evaluate(SEND, [server.url, calls, PAUSE_S * 1_000])
    await expect(page.locator("#rows > li")).to_have_count(EVENTS)
    shown = await page.evaluate("window.shownAt")
    late = sorted(shown[event] - answered[event] for event in answered)
    cuts = statistics.quantiles(late, n=20)
    print(f"\nin the list after its answer: median {cuts[9]:.0f} ms, p95 {cuts[18]:.0f} ms, last {late[-1]:.0f} ms")
    assert len(late) == EVENTS
