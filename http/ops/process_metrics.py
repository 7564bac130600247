"""Metrics of the processes that `trackd serve` runs, by process: those of `process_*` are the server's alone."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from prometheus_client import ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

KINDS: Mapping[str, type[CounterMetricFamily] | type[GaugeMetricFamily]] = {
    "process_cpu_seconds": CounterMetricFamily,
    "process_resident_memory_bytes": GaugeMetricFamily,
    "process_open_fds": GaugeMetricFamily,
}


class ProcessesCollector(Collector):
    """`processes` has the pid of each, None for one that does not run. Only Linux has the values."""

    def __init__(self, processes: Mapping[str, Callable[[], int | None]]) -> None:
        self._collectors = {
            name: ProcessCollector(pid=partial(_pid_or_none, pid), registry=None) for name, pid in processes.items()
        }

    def collect(self) -> Iterator[Metric]:
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for process, collector in self._collectors.items():
            for found in collector.collect():
                if found.name not in KINDS:
                    continue
                family = families.get(found.name) or KINDS[found.name](
                    f"trackd_{found.name}", f"{found.documentation.rstrip('.')}, by process.", labels=["process"]
                )
                families[found.name] = family
                family.add_metric([process], found.samples[0].value)
        yield from families.values()


def _pid_or_none(pid: Callable[[], int | None]) -> int | str:
    """A name in /proc: there is none that is called so."""
    return pid() or "none"
