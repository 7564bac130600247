"""What axe finds on a page: faults that keep people with a keyboard, a screen reader or weak eyes from using it."""

from typing import Literal

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

# Each colour scheme and each width once: no colour depends on the width.
LOOKS: tuple[tuple[Literal["light", "dark"], int], ...] = (("light", 1280), ("dark", 360))


async def accessibility_faults(page: Page) -> list[str]:
    """One line for each element with a fault: the rule, what it asks for, and the element. axe is in the package."""
    found = (await Axe().run(page)).response
    return [
        f"{violation['id']}: {violation['help']}: {node['html']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


async def faults_in_all_looks(page: Page) -> list[str]:
    """The faults of a page that is light on a wide screen, and dark on a narrow one, where it may also be too wide."""
    found = []  # without transitions from one look to the other
    for scheme, width in LOOKS:
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        await page.set_viewport_size({"width": width, "height": 800})
        found += [f"{scheme}, {width}: {fault}" for fault in await accessibility_faults(page)]
        taken = await page.evaluate("document.documentElement.scrollWidth")
        if taken > width:
            found.append(f"{scheme}, {width}: the page is {taken} wide")
    return found
