"""The functions of the tracker script, and calls of them that are faulty."""

from playwright.async_api import Page

from tests.browser.tracker.stored import Stored, nothing_queued, track
from tests.browser.tracker.web import Collector, Site
from tests.support.polling import eventually


async def test_the_functions_send_events_consents_and_return_the_profile(
    page: Page, site: Site, stored: Stored
) -> None:
    await page.goto(site.url)
    await page.evaluate("trackd.track('sign-up', {traits: {plan: 'free'}})")
    await page.evaluate("trackd.consent({marketing: true, sharing: false, profiling: 'yes'})")
    profile = await page.evaluate("trackd.profile()")

    events = await stored.exactly("page-view", "sign-up", "consent-granted")
    assert events[2]["properties"] == {"marketing": True, "sharing": False, "profiling": False}
    assert profile["id"] == events[0]["profile_id"]
    assert profile["traits"]["public"] == {"plan": "free"}
    assert list(profile["consents"]) == ["marketing"]


async def test_calls_that_the_page_made_before_the_script_arrived_are_not_lost(
    page: Page, site: Site, stored: Stored
) -> None:
    site.content = """<script>
        (window.trackd = window.trackd || []).push(["track", "early", {n: 1}], ["misspelt"], null, ["track", "next"]);
    </script>"""
    await page.goto(site.url)
    await page.evaluate("trackd.push(['track', 'late'])")
    await stored.exactly("page-view", "early", "next", "late")


async def test_properties_are_those_at_the_time_of_the_call_and_faulty_calls_do_not_reach_the_page(
    page: Page, site: Site, stored: Stored
) -> None:
    await page.goto(site.url)
    await page.evaluate(
        """() => {
            const properties = {n: 1};
            trackd.track("first", properties);
            properties.n = 2;
            properties.self = properties;
            trackd.track("endless", properties);
            trackd.consent(null);
            trackd.push("nonsense");
            trackd.track("last", {text: "Sale \\ud83d"});
        }"""
    )
    events = await stored.exactly("page-view", "first", "last")
    assert events[1]["properties"] == {"n": 1}


async def test_an_event_that_is_refused_does_not_keep_others_from_being_stored(
    page: Page, site: Site, stored: Stored, faults: list[str]
) -> None:
    warnings: list[str] = []
    page.on("console", lambda message: warnings.append(message.text) if message.type == "warning" else None)
    await page.goto(site.url)
    await page.evaluate("['good', 7, 'x'.repeat(300), 'better'].forEach((type) => trackd.track(type))")
    await stored.exactly("page-view", "good", "better")
    await nothing_queued(page)
    assert [warning for warning in warnings if "trackd: 422" in warning]
    await eventually(lambda: len(faults) == 3)  # the call, and each of the two alone
    await page.close()  # it writes nothing more
    faults.clear()


async def test_an_unknown_source_is_named_once_on_the_console(page: Page, site: Site, faults: list[str]) -> None:
    warnings: list[str] = []
    page.on("console", lambda message: warnings.append(message.text) if message.type == "warning" else None)
    site.source = "unknown"
    await page.goto(site.url)
    await eventually(lambda: warnings)
    await track(page, "one")
    await nothing_queued(page)
    assert warnings == ['trackd: 401 "Invalid event source `unknown`."']
    assert {"401" in fault for fault in faults} == {True}
    await page.close()  # it writes nothing more
    faults.clear()


async def test_a_faulty_tag_does_not_reach_the_page(page: Page, site: Site, collector: Collector) -> None:
    site.attributes = ' data-endpoint="http://["'
    await page.goto(site.url)
    await track(page, "one")
    await page.evaluate("trackd.profile()")
    assert collector.calls == []
