"""A step that hangs is reported; steps that end are not."""

import threading

from trackd.cli.watchdog import Watchdog


def test_a_step_that_hangs_is_reported_with_its_name() -> None:
    hanging: list[str] = []
    reported = threading.Event()

    def on_hang(step: str) -> None:
        hanging.append(step)
        reported.set()

    with Watchdog(0.02, on_hang) as watchdog:
        watchdog.begin("disk")
        assert reported.wait(30)
    assert hanging == ["disk"]


def test_steps_that_end_are_not_reported() -> None:
    hanging: list[str] = []
    with Watchdog(60, hanging.append) as watchdog:
        for step in ("one", "two"):
            watchdog.begin(step)
    assert hanging == []
