"""The tracker script in pages without storage, in a sandbox, below strict policies, and behind a proxy."""

import json
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.browser.tracker.stored import Stored, nothing_queued, track
from tests.browser.tracker.web import Collector, Site
from tests.support.nginx import nginx
from tests.support.polling import eventually
from tests.support.process import Process

FORBIDDEN = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError') }})"
ABSENT = "Object.defineProperty(window, 'localStorage', {value: null})"
FULL = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }"


@pytest.mark.parametrize("storage", [FORBIDDEN, ABSENT, FULL], ids=["forbidden", "absent", "full"])
async def test_a_page_without_storage_sends_its_events_in_one_session(
    page: Page, site: Site, collector: Collector, stored: Stored, faults: list[str], storage: str
) -> None:
    await page.add_init_script(storage)
    collector.failures = ["lost"]
    await page.goto(site.url)
    await eventually(lambda: len(collector.calls) >= 2)
    await track(page, "one")
    profile = await page.evaluate("trackd.profile()")

    events = await stored.exactly("page-view", "one")
    assert len({event["session_id"] for event in events}) == 1
    assert profile["id"] == events[0]["profile_id"]
    await page.close()  # it writes nothing more
    faults.clear()


async def test_a_page_in_a_sandbox_sends_its_events(page: Page, site: Site, stored: Stored) -> None:
    site.headers = {"Content-Security-Policy": "sandbox allow-scripts"}
    await page.goto(site.url)
    await track(page, "one")
    await stored.exactly("page-view", "one")


async def test_a_page_whose_policy_forbids_the_collector_works_on(
    page: Page, site: Site, collector: Collector, faults: list[str]
) -> None:
    site.headers = {"Content-Security-Policy": "default-src 'self'; script-src *"}
    await page.goto(site.url)
    await eventually(lambda: faults)
    await track(page, "one", "two")
    await page.evaluate("history.pushState({}, '', '/next')")
    assert await page.evaluate("trackd.profile()") is None
    assert await page.inner_text("h1") == "A page"
    for _ in range(3):
        await page.evaluate("dispatchEvent(new Event('online'))")  # it would be tried at once
    await page.goto("about:blank")

    assert collector.calls == []
    assert [fault for fault in faults if "Content Security Policy" not in fault and "Fetch API" not in fault] == []
    assert len(faults) <= 2, "tried once, not for each event"
    await page.close()  # it writes nothing more
    faults.clear()


async def test_a_page_whose_policy_forbids_the_script_works_on(page: Page, site: Site, faults: list[str]) -> None:
    site.headers = {"Content-Security-Policy": "script-src 'self'"}
    site.content = "<h1>A page</h1>"
    await page.goto(site.url)
    assert await page.inner_text("h1") == "A page"
    await eventually(lambda: faults)
    await page.close()  # it writes nothing more
    faults.clear()


@pytest.mark.slow
async def test_the_script_works_below_a_path_behind_the_defaults_of_nginx(
    page: Page, site: Site, server: Process, stored: Stored, tmp_path: Path
) -> None:
    with nginx(tmp_path, f"location /trackd/ {{ proxy_pass {server.url}/; }}") as front:
        site.collector = f"{front}/trackd"
        await page.goto(site.url)
        await track(page, "one")
        await stored.exactly("page-view", "one")
        await nothing_queued(page)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (".session", '{"id": {"a": 1}, "seen": NOW}'),
        (".session", '{"id": "%s", "seen": NOW}' % ("x" * 300)),
        (".session", "5"),
        (".session", '{"id": ["a"], "seen": NOW}'),
        (".session", '{"id": "undefined", "seen": NOW}'),
        (".session", '{"id": "guest", "seen": NOW}'),
        (".profile", "x" * 300),
        (".wait", "[object Object]"),
        ("0", '{"source": 1, "session": {}, "event": true}'),
        ("0", '"text"'),
    ],
    ids=[
        "session-object",
        "session-long",
        "session-number",
        "session-list",
        "session-undefined",
        "session-guest",
        "profile-long",
        "wait-object",
        "event-true",
        "event-text",
    ],
)
async def test_what_another_script_has_written_under_its_keys_does_not_stop_it(
    page: Page, site: Site, collector: Collector, stored: Stored, faults: list[str], key: str, text: str
) -> None:
    name = json.dumps(f"trackd {collector.url}/track {key}")
    await page.add_init_script(f"localStorage[{name}] ??= {json.dumps(text)}.replace('NOW', Date.now())")
    await page.goto(site.url)
    await track(page, "one")
    await stored.exactly("page-view", "one")
    await page.close()  # it writes nothing more
    faults.clear()
