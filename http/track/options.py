"""The options of payload and events (contract 2.2): an event's own option wins over the payload's."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

Options = Mapping[str, Any]


class EventOptions(Struct, frozen=True):
    """What holds for one event. `save_session` counts only when it is false for every event of the call."""

    save_event: bool = True
    save_session: bool = True
    debugger: bool = True
    logs: bool = True


def option(options: Options, *names: str) -> bool | None:
    """The first of the names that has a boolean; anything else says nothing."""
    for name in names:
        value = options.get(name)
        if value is True or value is False:
            return value
    return None


def event_options(options: Options, default: EventOptions) -> EventOptions:
    """The options of an event whose payload says `default`; of a payload, when `default` is plain."""
    if not options:
        return default
    save_event = option(options, "saveEvent", "saveEvents", "save")
    save_session = option(options, "saveSession")
    debugger = option(options, "debugger")
    logs = option(options, "logs")
    return EventOptions(
        default.save_event if save_event is None else save_event,
        default.save_session if save_session is None else save_session,
        default.debugger if debugger is None else debugger,
        default.logs if logs is None else logs,
    )


def wants_profile(options: Options) -> bool:
    """`profile` is no default: true for the payload or any event asks for it, false says nothing."""
    return options.get("profile") is True
