"""The metrics of feeds."""

from trackd.core.feed_cursor import Cursor
from trackd.http.feed.subscribers import Subscribers
from trackd.http.ops.feed_metrics import FeedsCollector
from trackd.storage.errors import StoreError

HISTORY = "0123456789abcdef"


def values(subscribers: Subscribers) -> dict[str, float]:
    return {family.name: family.samples[0].value for family in FeedsCollector(subscribers).collect()}


def test_subscribers_records_and_lag_are_shown() -> None:
    subscribers = Subscribers(10, lambda: Cursor(HISTORY, 9), lambda after, up_to: up_to - after, lambda: 5.0)
    subscribers.add().read(Cursor(HISTORY, 4), 2.0, is_last=False)
    subscribers.records = 4

    assert values(subscribers) == {
        "trackd_feed_subscribers": 1,
        "trackd_feed_records": 4,
        "trackd_feed_lag_records": 5,
        "trackd_feed_lag_seconds": 0,
    }


def test_the_lag_is_left_out_while_the_store_cannot_be_read() -> None:
    def head() -> Cursor:
        raise StoreError("it cannot be read")

    subscribers = Subscribers(10, head, lambda after, up_to: up_to - after)
    subscribers.add().read(Cursor(HISTORY, 4), 2.0, is_last=False)

    assert sorted(values(subscribers)) == ["trackd_feed_records", "trackd_feed_subscribers"]
