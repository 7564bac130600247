"""The ids that are stored again with each event of a call: those of its session, profile and source. Pure.

Short events with long ids would write many times the bytes of their call. The ids may take as much as the events
themselves do in several ways: usual ids are far from that.
"""

from collections.abc import Collection, Sequence

from trackd.core.documents import Event

FEW_EVENTS = 8  # whatever their ids: an id has at most 255 characters
FREE_BYTES = 32_768
BYTES_OF_EVENT = 160  # for each event, and
FACTOR = 4  # times the bytes that the client sent for it


def too_long_ids(events: Sequence[Event], own_ids: Collection[str]) -> str | None:
    """Why the events of a call may not be stored, None if they may. `own_ids`: those that the client made.

    These are kept by profile, so that each of them stores the id of the profile once more.
    """
    if len(events) <= FEW_EVENTS:
        return None
    first = events[0]
    session, profile, source = (len(text.encode()) for text in (first.session_id, first.profile_id, first.source_id))
    repeated = len(events) * (session + profile + source) + len(own_ids) * profile
    allowed = FREE_BYTES + len(events) * BYTES_OF_EVENT
    if repeated <= allowed:  # nearly always
        return None
    allowed += FACTOR * (sum(map(_sent_bytes, events)) + sum(map(len, own_ids)))
    if repeated <= allowed:
        return None
    return (
        f"the ids of its session, profile and source are stored with each event, which takes {repeated} bytes; "
        f"for so many events of this size it may take {allowed}"
    )


def _sent_bytes(event: Event) -> int:
    """About the bytes of the event in its call. Texts count as ASCII."""
    return len(event.type) + len(event.properties) + len(event.context) + len(event.config)
