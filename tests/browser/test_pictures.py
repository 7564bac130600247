"""`make pictures`: it takes a picture of each view, as docs/pictures has them."""

from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.browser.pictures import FOLDER, MAX_BYTES, take


@pytest.mark.slow
async def test_a_picture_of_each_view_is_taken(browser: Browser, tmp_path: Path) -> None:
    await take(browser, tmp_path, seconds=2)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in FOLDER.iterdir()}


def test_the_pictures_are_small() -> None:
    assert {path.suffix for path in FOLDER.iterdir()} == {".png"}
    assert [path.name for path in FOLDER.iterdir() if path.stat().st_size > MAX_BYTES] == []
