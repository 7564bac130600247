"""The options of payload and events (contract 2.2): an event's own option wins over the payload's."""

from collections.abc import Mapping, Sequence
from typing import Any

SAVE_EVENT = ("saveEvent", "saveEvents", "save")

Options = Mapping[str, Any]


def option(options: Options, *names: str) -> bool | None:
    """The first of the names that has a boolean; anything else says nothing."""
    for name in names:
        value = options.get(name)
        if value is True or value is False:
            return value
    return None


def effective(event: Options, payload: Options, *names: str) -> bool:
    """What holds for an event; true unless somebody said false."""
    own = option(event, *names)
    return (own if own is not None else option(payload, *names)) is not False


def effective_for_call(events: Sequence[Options], payload: Options, *names: str) -> bool:
    """What holds for a call: true unless it is false for every event, or for the payload when there are none."""
    if not events:
        return option(payload, *names) is not False
    return any(effective(event, payload, *names) for event in events)


def wants_profile(events: Sequence[Options], payload: Options) -> bool:
    return option(payload, "profile") is True or any(option(event, "profile") is True for event in events)
