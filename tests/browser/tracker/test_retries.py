"""Events of the tracker script are stored exactly once, whatever happens to page, network and server."""

import json
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page

from tests.browser.tracker.stored import Stored, nothing_queued, queued, track
from tests.browser.tracker.web import Collector, Site
from tests.support.nginx import nginx
from tests.support.polling import eventually
from tests.support.process import Process


async def test_twenty_navigations_with_events_at_their_ends_store_each_event_once(
    page: Page, site: Site, stored: Stored
) -> None:
    for number in range(20):
        await page.goto(f"{site.url}/{number}", wait_until="domcontentloaded")
        await track(page, f"left-{number}")
    await page.goto(f"{site.url}/last")

    expected = [name for number in range(20) for name in ("page-view", f"left-{number}")]
    events = await stored.exactly(*expected, "page-view")
    await nothing_queued(page)
    assert len({event["session_id"] for event in events}) == 1
    assert len({event["id"] for event in events}) == 41
    assert stored.types() == [*expected, "page-view"]


async def arrived(collector: Collector, number: int) -> None:
    await eventually(lambda: len(collector.calls) >= number, f"{number} calls")


async def test_a_visitor_who_leaves_the_first_page_at_once_is_seen(page: Page, site: Site, stored: Stored) -> None:
    await page.goto(site.url, wait_until="domcontentloaded")
    await track(page, "one")
    await page.goto("about:blank")
    await stored.exactly("page-view", "one")


async def test_an_event_of_a_page_that_is_left_does_not_overtake_a_call_under_way(
    page: Page, site: Site, collector: Collector, stored: Stored
) -> None:
    collector.failures = ["slow"]
    await page.goto(site.url)
    await arrived(collector, 1)
    await track(page, "one")
    await page.goto("about:blank")

    events = await stored.exactly("page-view", "one")
    assert [event["seq"] for event in events] == [1, 2]


async def test_events_of_a_page_that_is_left_do_not_overtake_others_that_are_too_many_for_beacons(
    page: Page, site: Site, collector: Collector, stored: Stored, faults: list[str]
) -> None:
    sizes = [20_000] * 4 + [10_000, 10]
    expected = ["page-view", *(f"e{number}" for number in range(len(sizes)))]
    collector.is_away = True
    await page.goto(site.url)
    await page.evaluate("(sizes) => sizes.forEach((size, n) => trackd.track(`e${n}`, {text: 'x'.repeat(size)}))", sizes)
    await arrived(collector, 1)
    await eventually(lambda: is_queued(page, len(expected)))
    collector.is_away = False
    await page.goto("about:blank")
    await eventually(lambda: stored.types(), "the beacon is stored")

    await page.goto(site.url)
    events = await stored.exactly(*expected, "page-view")
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    await page.close()  # it writes nothing more
    faults.clear()


async def is_queued(page: Page, number: int) -> bool:
    return await queued(page) == number


async def test_tabs_that_are_closed_at_once_lose_nothing(context: BrowserContext, site: Site, stored: Stored) -> None:
    page = await context.new_page()
    await page.goto(site.url)
    expected = ["page-view"]
    await stored.exactly(*expected)
    for number in range(5):
        page = await context.new_page()
        await page.goto(site.url, wait_until="domcontentloaded")
        await track(page, f"closed-{number}")
        await page.close()
        expected += ["page-view", f"closed-{number}"]

    page = await context.new_page()
    await page.goto(site.url)
    await stored.exactly(*expected, "page-view")
    await nothing_queued(page)
    assert stored.types() == [*expected, "page-view"]


async def test_an_event_whose_answer_is_lost_is_sent_again_and_stored_once(
    page: Page, site: Site, collector: Collector, stored: Stored, faults: list[str]
) -> None:
    collector.failures = ["lost", "lost"]
    await page.goto(site.url)
    await eventually(lambda: len(collector.calls) >= 3)
    await nothing_queued(page)
    await stored.exactly("page-view")
    await page.close()  # it writes nothing more
    faults.clear()


async def test_a_503_is_sent_again_after_the_time_that_it_names(
    page: Page, site: Site, collector: Collector, stored: Stored, faults: list[str]
) -> None:
    collector.failures, collector.headers = [503], {"Retry-After": "1"}
    await page.goto(site.url)
    await eventually(lambda: collector.calls)

    async def waits_until() -> str | None:
        found: str | None = await page.evaluate(
            """() => {
                const key = Object.keys(localStorage).find((key) => key.endsWith(" .wait"));
                return key && new Date(+localStorage[key]).toISOString();
            }"""
        )
        return found

    until = await eventually(waits_until)
    await track(page, "one")
    await stored.exactly("page-view", "one")
    assert [json.loads(call.body)["sentAt"] >= until for call in collector.calls[:2]] == [False, True]
    await page.close()  # it writes nothing more
    faults.clear()


async def test_a_server_that_asks_to_wait_for_longer_than_an_hour_is_left_alone(
    page: Page, site: Site, collector: Collector, faults: list[str]
) -> None:
    collector.failures, collector.headers = [503] * 20, {"Retry-After": "7200"}
    await page.goto(site.url)
    await page.evaluate("trackd.profile()")  # when its promise is kept, nothing more is sent for now
    assert len(collector.calls) == 1
    await page.close()  # it writes nothing more
    faults.clear()


async def test_a_time_to_wait_that_a_wrong_clock_has_left_does_not_make_the_script_ask_without_a_pause(
    page: Page, site: Site, collector: Collector, faults: list[str]
) -> None:
    collector.failures = [503] * 20
    await page.add_init_script(f"localStorage['trackd {collector.url}/track .wait'] = Date.now() + 1e10")
    await page.goto(site.url)
    await page.evaluate("trackd.profile()")
    assert len(collector.calls) == 1
    await page.close()  # it writes nothing more
    faults.clear()


async def test_events_wait_while_the_server_is_away_and_are_stored_once_with_their_own_times(
    page: Page, site: Site, collector: Collector, stored: Stored, faults: list[str]
) -> None:
    collector.is_away = True
    for number in range(3):
        await page.goto(f"{site.url}/{number}")
        await track(page, f"away-{number}")
        await arrived(collector, number + 1)
    assert stored.types() == []
    assert await queued(page) == 6

    collector.is_away = False
    await page.goto(f"{site.url}/back")
    events = await stored.exactly(*(t for n in range(3) for t in ("page-view", f"away-{n}")), "page-view")
    await nothing_queued(page)
    assert [event["seq"] for event in events] == list(range(1, 8))
    assert len({event["session_id"] for event in events}) == 1
    assert [event["context"]["page"]["path"] for event in events[::2]] == ["/0", "/1", "/2", "/back"]
    await page.close()  # it writes nothing more
    faults.clear()


async def test_only_the_events_of_a_refused_call_are_sent_one_by_one(
    page: Page, site: Site, collector: Collector, stored: Stored, faults: list[str]
) -> None:
    collector.is_away = True
    await page.goto(site.url)
    await page.evaluate("for (let n = 0; n < 10; n++) trackd.track(n === 3 ? '' : `e${n}`, {text: 'x'.repeat(20_000)})")
    await arrived(collector, 1)
    collector.calls.clear()
    collector.is_away = False
    await page.goto(f"{site.url}/back")

    await stored.exactly("page-view", *(f"e{n}" for n in range(10) if n != 3), "page-view")
    await nothing_queued(page)
    calls = [[event["type"] for event in json.loads(call.body)["events"]] for call in collector.calls]
    assert [types for types in calls if len(types) == 1] == [["e2"], [""]]
    await page.close()  # it writes nothing more
    faults.clear()


@pytest.mark.slow
async def test_an_event_that_a_proxy_refuses_for_its_size_does_not_keep_others_from_being_stored(
    page: Page, site: Site, server: Process, stored: Stored, tmp_path: Path, faults: list[str]
) -> None:
    """nginx answers 413 without the headers of CORS: for a page that is no answer at all."""
    with nginx(tmp_path, f"client_max_body_size 2m; location / {{ proxy_pass {server.url}; }}") as front:
        site.collector = front
        await page.goto(site.url)
        await track(page, "one")
        await page.evaluate("trackd.track('huge', {text: 'x'.repeat(2_500_000)})")
        await track(page, "two")
        await stored.exactly("page-view", "one", "two")
        await nothing_queued(page)


async def test_the_queue_is_bounded_and_keeps_the_newest_events(
    page: Page, site: Site, collector: Collector, faults: list[str]
) -> None:
    collector.is_away = True
    await page.goto(site.url)
    await page.evaluate("for (let n = 0; n < 80; n++) trackd.track(`big-${n}`, {text: 'x'.repeat(20_000)})")

    async def kept() -> list[str]:
        found: list[str] = await page.evaluate(
            "Object.entries(localStorage).sort().map((e) => JSON.parse(e[1]).event?.type).filter((type) => type)"
        )
        return found

    async def is_bounded() -> bool:
        types = await kept()
        return types[-1:] == ["big-79"] and len(types) < 30

    await eventually(is_bounded)
    await page.close()  # it writes nothing more
    faults.clear()
