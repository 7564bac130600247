"""Chromium for tests, driven by Playwright."""

from collections.abc import Awaitable, Callable
from typing import Any

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Playwright

WHOLE = ("chromium", "chromium-browser", "google-chrome")
PROGRAMS = ("chromium-headless-shell", *WHOLE)  # it has no windows: a page takes a sixth of the processor time
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--host-resolver-rules=MAP *.example 127.0.0.1",
    "--no-first-run",
]
NewContext = Callable[..., Awaitable[BrowserContext]]


async def launch(playwright: Playwright, chromium: str, **options: Any) -> Browser:
    """A browser of its own, for a test that needs other flags. It has no sandbox: neither root nor containers can."""
    return await playwright.chromium.launch(executable_path=chromium, args=FLAGS, **options)


def watch(context: BrowserContext, faults: list[str]) -> None:
    """Collect the errors on the consoles of all pages of a context."""

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            faults.append(f"{message.text} ({message.location.get('url')})")

    context.on("console", note)
    context.on("weberror", lambda error: faults.append(f"uncaught: {error.error}"))
