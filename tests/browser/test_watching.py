"""The fixtures of tests in a browser see what they are there for."""

from playwright.async_api import Page

from tests.support.accessibility import accessibility_faults, faults_in_all_looks
from tests.support.polling import eventually

SOUND = "<!doctype html><html lang='en'><title>A page</title><main><h1>A page</h1></main>"


async def test_an_uncaught_error_an_error_on_the_console_and_a_violated_policy_are_faults(
    page: Page, faults: list[str]
) -> None:
    await page.set_content(
        """<meta http-equiv="Content-Security-Policy" content="default-src 'self'; script-src 'unsafe-inline'">
        <script>
            console.error("on the console");
            setTimeout(() => { throw new Error("a fault"); });
            fetch("http://other.example/").catch(() => {});
        </script>"""
    )

    for text in ("on the console", "violates the following Content Security Policy directive", "uncaught: a fault"):
        await eventually(lambda text=text: any(text in fault for fault in faults), text)
    faults.clear()


async def test_axe_finds_no_fault_on_a_sound_page(page: Page) -> None:
    await page.set_content(SOUND)
    assert await accessibility_faults(page) == []


async def test_axe_names_the_rule_and_the_element_of_a_fault(page: Page) -> None:
    await page.set_content(f"{SOUND}<input type='text'>")
    [fault] = [fault for fault in await accessibility_faults(page) if fault.startswith("label")]
    assert fault == 'label: Form elements must have labels: <input type="text">'


async def test_faults_in_the_dark_and_on_a_narrow_screen_are_found(page: Page) -> None:
    dark = "@media (prefers-color-scheme: dark) { h1 { color: #ddd; background: white } }"
    await page.set_content(f"{SOUND}<style>{dark} main {{ min-width: 50rem }}</style>")
    contrast, wide = await faults_in_all_looks(page)
    assert contrast.startswith("dark, 360: color-contrast: ")
    assert wide.startswith("dark, 360: the page is 8")


async def test_contexts_of_different_tests_share_no_storage(page: Page) -> None:
    assert await page.context.cookies() == []
    assert page.context.browser is not None
    assert page.context.browser.contexts == [page.context]
