"""What axe finds on a page: faults that keep people with a keyboard, a screen reader or weak eyes from using it."""

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page


async def accessibility_faults(page: Page) -> list[str]:
    """One line for each element with a fault: the rule, what it asks for, and the element. axe is in the package."""
    found = (await Axe().run(page)).response
    return [
        f"{violation['id']}: {violation['help']}: {node['html']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]
