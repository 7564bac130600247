"""The pages that the tracker script counts as views."""

import json
from pathlib import Path

from playwright.async_api import Page, Playwright

from tests.browser.tracker.stored import Stored, nothing_queued, track
from tests.browser.tracker.web import Collector, Site
from tests.docs.pages import block, run
from tests.docs.pages import page as documents
from tests.support.browser import launch, watch
from tests.support.database import rows
from tests.support.polling import eventually


async def test_a_page_with_the_tag_sends_a_page_view(page: Page, site: Site, stored: Stored) -> None:
    await page.goto(f"{site.url}/cart?step=2#top")

    [event] = await stored.exactly("page-view")
    assert event["context"]["page"] == {
        "url": f"{site.url}/cart?step=2#top",
        "path": "/cart",
        "hash": "#top",
        "title": "Page /cart?step=2",
        "referrer": "",
    }
    assert event["properties"] == {}
    [session] = rows(stored.db, "SELECT context FROM session WHERE id = ?", event["session_id"])
    assert set(json.loads(session["context"])) == {"time", "browser"}


async def test_calls_need_no_preflight_and_carry_no_cookie(page: Page, site: Site, collector: Collector) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method))
    await page.goto(site.url)
    await eventually(lambda: collector.calls)
    assert "OPTIONS" not in asked
    assert collector.calls[0].headers["content-type"] == "text/plain;charset=UTF-8"
    assert "cookie" not in collector.calls[0].headers


async def test_pages_of_a_single_page_application_are_views_too(page: Page, site: Site, stored: Stored) -> None:
    await page.goto(f"{site.url}/home")
    await page.evaluate("history.pushState({n: 1}, '', '/cart')")
    await page.evaluate("history.pushState({}, '', '/cart')")  # the same page
    await page.evaluate("history.replaceState({}, '', '/cart?sorted')")
    await page.evaluate("history.pushState({}, '', '/paid')")
    await page.go_back()
    await page.evaluate("location.hash = '#/details'")
    await page.evaluate("location.hash = '#/details/more'")
    await track(page, "end")

    events = await stored.exactly(*["page-view"] * 6, "end")
    addresses = [event["context"]["page"]["url"].removeprefix(site.url) for event in events[:6]]
    assert addresses == [
        "/home",
        "/cart",
        "/paid",
        "/cart?sorted",
        "/cart?sorted#/details",
        "/cart?sorted#/details/more",
    ]
    assert events[1]["context"]["page"]["referrer"] == f"{site.url}/home"
    assert await page.evaluate("history.state") is None


async def test_views_of_a_single_page_application_have_the_titles_that_it_sets_after_their_addresses(
    page: Page, site: Site, stored: Stored
) -> None:
    await page.goto(f"{site.url}/home")
    await nothing_queued(page)
    await page.evaluate(
        """() => {
            const later = () => new Promise((done) => setTimeout(done));
            const move = async (path) => {
                trackd.track("left");
                history.pushState({}, "", path);
                trackd.track("entered");
                await later();
                document.title = `Title of ${path}`;
            };
            return move("/cart").then(later).then(() => move("/paid"));
        }"""
    )

    events = await stored.exactly("page-view", *["left", "page-view", "entered"] * 2)
    assert [event["seq"] for event in events] == list(range(1, 8))
    assert [(event["context"]["page"]["path"], event["context"]["page"]["title"]) for event in events] == [
        *[("/home", "Page /home")] * 2,
        *[("/cart", "Title of /cart")] * 3,
        *[("/paid", "Title of /paid")] * 2,
    ]


async def test_a_view_that_is_left_before_its_title_could_change_is_stored(
    page: Page, site: Site, stored: Stored
) -> None:
    await page.goto(f"{site.url}/home")
    await nothing_queued(page)
    await page.evaluate("history.pushState({}, '', '/cart'); location.href = 'about:blank'")
    events = await stored.exactly(*["page-view"] * 2)
    assert [event["context"]["page"]["path"] for event in events] == ["/home", "/cart"]


async def test_a_fragment_within_a_page_is_no_view(page: Page, site: Site, stored: Stored) -> None:
    await page.goto(site.url)
    await page.evaluate("location.hash = '#prices'")
    await track(page, "end")
    await stored.exactly("page-view", "end")


async def test_a_page_that_comes_back_from_the_back_forward_cache_is_one_view(
    playwright: Playwright, whole_chromium: str, site: Site, stored: Stored, faults: list[str]
) -> None:
    browser = await launch(playwright, whole_chromium, ignore_default_args=["--disable-back-forward-cache"])
    context = await browser.new_context()
    watch(context, faults)
    page = await context.new_page()
    await page.goto(f"{site.url}/first")
    await page.evaluate("window.kept = true")
    await stored.exactly("page-view")
    await nothing_queued(page)
    await page.goto(f"{site.url}/second")
    await stored.exactly(*["page-view"] * 2)
    await nothing_queued(page)
    await page.evaluate("history.back()")

    events = await stored.exactly(*["page-view"] * 3)
    assert [event["context"]["page"]["path"] for event in events] == ["/first", "/second", "/first"]
    assert await page.evaluate("window.kept"), "Chromium did not keep the page"
    await browser.close()
    assert faults == []


async def test_without_automatic_views_only_the_events_of_the_page_are_sent(
    page: Page, site: Site, stored: Stored
) -> None:
    site.attributes = ' data-auto="false"'
    await page.goto(site.url)
    await page.evaluate("history.pushState({}, '', '/other')")
    await track(page, "one")
    await stored.exactly("one")


async def test_a_tag_that_is_in_the_page_twice_counts_once(page: Page, site: Site, stored: Stored) -> None:
    site.content = f'<script defer src="{site.collector}/tracker.js" data-source="{site.source}"></script>'
    await page.goto(site.url)
    await track(page, "end")
    await stored.exactly("page-view", "end")


async def test_another_address_of_the_collector_can_be_named(page: Page, site: Site, stored: Stored) -> None:
    site.attributes = f' data-endpoint="{site.collector}/track/"'
    await page.goto(site.url)
    await stored.exactly("page-view")


async def test_the_page_of_the_quickstart_sends_events_when_it_is_opened_as_a_file(
    page: Page, collector: Collector, site: Site, stored: Stored, tmp_path: Path
) -> None:
    script = f"URL={collector.url}\nSOURCE={site.source}\n" + block(documents("quickstart"), "sh", "page.html")
    run(script, tmp_path).check_returncode()
    await page.goto(f"file://{tmp_path}/page.html")
    await page.get_by_role("button").click()

    events = await stored.exactly("page-view", "pressed")
    assert events[1]["properties"] == {"button": "first"}
