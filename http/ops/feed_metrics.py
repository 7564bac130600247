"""Metrics of the feeds, for /metrics."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from trackd.http.feed.subscribers import Subscribers
from trackd.storage.errors import StoreError


class FeedsCollector(Collector):
    """Reads the state of the subscribers at each scrape."""

    def __init__(self, subscribers: Subscribers) -> None:
        self._subscribers = subscribers

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("trackd_feed_subscribers", "Feeds that are read now.", value=len(self._subscribers))
        yield CounterMetricFamily(
            "trackd_feed_records", "Records that feeds were sent.", value=self._subscribers.records
        )
        try:
            records, seconds = self._subscribers.lag()
        except StoreError:  # no value is better than a wrong one
            return
        yield GaugeMetricFamily(
            "trackd_feed_lag_records", "Records that the slowest feed has not been sent, about.", value=records
        )
        yield GaugeMetricFamily(
            "trackd_feed_lag_seconds", "Seconds since the slowest feed had all that is stored.", value=seconds
        )
