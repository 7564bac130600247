"""Notes on a payload: sentences for `debugging.logs` about what is changed before the call is decoded."""

from collections.abc import Iterable, Mapping

from trackd.http.json_text import MAX_VALUES, Place, find_lone_surrogates, place_text

Notes = Mapping[int | None, tuple[str, ...]]
"""The notes on each event by its position in the call, and under None those on the call itself."""

NO_NOTES: Notes = {}
SHOWN_PLACES = 3
UNSEARCHED = (
    f"Lone surrogates are replaced with U+FFFD: only the first {MAX_VALUES} values were searched for their places."
)


def with_notes(notes: Notes, more: Iterable[tuple[int | None, str]]) -> Notes:
    """`notes` and more of them, each with the position of its event or None."""
    result = dict(notes)
    for position, note in more:
        result[position] = (*result.get(position, ()), note)
    return result


def replacement_notes(body: bytes) -> Notes:
    """A note on each event with lone surrogates, and on the rest of the payload, which was valid without them."""
    places: dict[int | None, list[Place]] = {}
    found, searched_all = find_lone_surrogates(body)
    for place in found:
        match place:
            case "events", int() as position, *rest:
                places.setdefault(position, []).append(tuple(rest))
            case _:
                places.setdefault(None, []).append(place)
    notes = {position: (_note(found),) for position, found in places.items()}
    return notes if searched_all else {**notes, None: (*notes.get(None, ()), UNSEARCHED)}


def _note(places: list[Place]) -> str:
    shown = ", ".join(f"`{place_text(place)}`" for place in places[:SHOWN_PLACES])
    more = f" and {len(places) - SHOWN_PLACES} more" if len(places) > SHOWN_PLACES else ""
    return f"A lone surrogate, such as half an emoji, is replaced with U+FFFD in {shown}{more}."
