"""The options of payload and events (contract 2.2): an event's own option wins over the payload's."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

Options = Mapping[str, Any]


class EventOptions(Struct, frozen=True):
    """The options of one event. `save_session` has an effect only when it is false for every event of the call."""

    save_event: bool = True
    save_session: bool = True
    debugger: bool = True
    logs: bool = True


def option(options: Options, *names: str) -> bool | None:
    """The value of the first name that has a boolean. Other values are ignored."""
    for name in names:
        value = options.get(name)
        if value is True or value is False:
            return value
    return None


def event_options(options: Options, default: EventOptions) -> EventOptions:
    """The options with `default` for those that are missing. An event's default are the options of its payload."""
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


def requests_profile(options: Options) -> bool:
    """Whether the answer shall carry the profile. True for the payload or for any event is enough (contract 2.2)."""
    return options.get("profile") is True
