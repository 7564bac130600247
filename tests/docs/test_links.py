"""Every relative link and anchor of the documents resolves, and every page can be reached from README."""

import posixpath
import re
from collections.abc import Iterator

import pytest

from tests.docs.pages import PAGES, ROOT

LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(r"`((?:actors|cli|config|core|http|load|storage|telemetry|tests|docs)/[\w/.-]+\.\w+)`")


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", without_code(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(name: str) -> Iterator[tuple[str, str]]:
    """The relative links of a page: path in the repository, and anchor."""
    for link in LINK.findall(without_code(PAGES[name])):
        if "://" not in link:
            path, _, anchor = link.partition("#")
            yield posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name, anchor


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_to_a_file_and_every_anchor_to_a_heading(name: str) -> None:
    for path, anchor in links(name):
        assert (ROOT / path).exists(), path
        assert not anchor or anchor in anchors(PAGES[path]), f"{path}#{anchor}"


@pytest.mark.parametrize("name", PAGES)
def test_every_file_that_a_page_names_exists(name: str) -> None:
    for path in PATH.findall(PAGES[name]):
        assert (ROOT / path).exists(), path


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, pending = {"README.md"}, ["README.md"]
    while pending:
        following = {path for path, _ in links(pending.pop()) if path in PAGES} - reached
        reached |= following
        pending += following
    assert set(PAGES) - reached == set()
