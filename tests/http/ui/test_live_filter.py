import pytest
from starlette.datastructures import QueryParams

from trackd.http.ui.live_filter import LiveFilter
from trackd.storage.listings import EventFilter, RefusalFilter

TIME = "2026-01-31T12:00:00.000000Z"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", LiveFilter("", "", "", None, None)),
        (f"type=t&source=s&status=validated&cursor=7&before={TIME}", LiveFilter("t", "s", "validated", 7, TIME)),
        ("type=" + "t" * 300, LiveFilter("t" * 255, "", "", None, None)),
        *((f"cursor={text}", LiveFilter("", "", "", None, None)) for text in ("-1", "1.5", "%C2%B2", "9" * 30, "")),
        *((f"before={text}", LiveFilter("", "", "", None, None)) for text in ("now", "1" * 30, "")),
    ],
)
def test_values_that_the_form_does_not_have_select_nothing(query: str, expected: LiveFilter) -> None:
    assert LiveFilter.read(QueryParams(query)) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"kinds": "event,erased,refusal"}),
        ("type=t&source=s", {"type": "t", "source": "s", "kinds": "event,erased,refusal"}),
        ("status=invalid", {"status": "invalid", "kinds": "event,erased"}),
        ("status=not-stored&type=t", {"type": "t", "kinds": "erased,refusal"}),
    ],
)
def test_the_feed_has_the_kinds_of_records_that_the_list_shows(query: str, expected: dict[str, str]) -> None:
    assert LiveFilter.read(QueryParams(query)).feed_query == expected


def test_the_lists_of_events_and_of_refusals_are_filtered_alike() -> None:
    matching = LiveFilter.read(QueryParams(f"type=t&source=s&before={TIME}"))
    assert matching.events == EventFilter("t", "s")
    assert matching.refusals("a time") == RefusalFilter(source="s", type="t", after="a time", before=TIME)
