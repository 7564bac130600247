"""Plots: images that run nothing, load nothing, and can be read as text."""

import re
from xml.etree import ElementTree

import pytest

from trackd.http.ui.plots import PLOTS, draw
from trackd.http.ui.samples import EVERY_S, POINTS, Point

MAX_BYTES = 120_000


def point(i: int) -> Point:
    of_calls, of_commits = (None, None) if i % 5 == 0 else (0.05, 0.02)
    return Point(i * EVERY_S, i % 7, 3 * (i % 7), of_calls, of_calls, of_commits, of_commits, i, i * i, i)


def points(number: int) -> list[Point]:
    return [point(i) for i in range(number)]


@pytest.mark.parametrize("name", PLOTS)
@pytest.mark.parametrize("number", [0, 1, 2, POINTS])
def test_a_plot_is_sound_and_names_nothing_outside_of_it(name: str, number: int) -> None:
    drawn = draw(PLOTS[name], points(number))
    ElementTree.fromstring(drawn)
    assert len(drawn) <= MAX_BYTES
    assert "<script" not in drawn
    assert not re.search(r"\son\w+=", drawn)
    addresses = set(re.findall(r"https?://[^\"'<\s)]+", re.sub(r"<!--.*?-->", "", drawn, flags=re.DOTALL)))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not re.search(r"url\(|@import", drawn)


@pytest.mark.parametrize(
    ("number", "texts"),
    [
        (1, ["now"]),
        (3, ["10 s ago", "5 s ago", "now"]),
        (29, ["2 min ago", "70 s ago", "35 s ago", "now"]),
        (50, ["4 min ago", "3 min ago", "2 min ago", "65 s ago", "now"]),
        (POINTS, ["10 min ago", "8 min ago", "5 min ago", "2 min ago", "now"]),
    ],
)
def test_a_plot_has_a_few_texts_below_it_each_of_them_once(number: int, texts: list[str]) -> None:
    drawn = ElementTree.fromstring(draw(PLOTS["queue"], points(number)))
    shown = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert [text for text in shown if text is not None and re.search("ago$|now", text)] == texts


def test_a_plot_in_words_has_its_newest_and_its_highest_values() -> None:
    text = PLOTS["rate"].text(points(9))
    assert text == "Calls and events, a second: calls now 1, at most 6; events now 3, at most 18."
    assert PLOTS["duration"].text([]) == "Duration of calls, milliseconds: nothing yet."
