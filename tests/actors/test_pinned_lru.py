from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from trackd.actors.pinned_lru import PinnedLRU


@dataclass(eq=False)
class Entry:
    in_flight: int = 0


def put(entries: PinnedLRU[Entry], key: str, entry: Entry) -> list[Entry]:
    """Add the entry; returns the evicted ones."""
    evicted = entries.make_room()
    entries.add(key, entry)
    return evicted


def test_the_least_recently_used_entry_is_evicted_first() -> None:
    entries: PinnedLRU[Entry] = PinnedLRU(2)
    one, two, three = Entry(), Entry(), Entry()
    assert put(entries, "one", one) == []
    assert put(entries, "two", two) == []
    assert entries.get("one") is one

    assert put(entries, "three", three) == [two]

    assert entries.get("two") is None
    assert "two" not in entries
    assert entries.get("one") is one
    assert len(entries) == 2


def test_pinned_entries_stay_though_the_map_is_full() -> None:
    entries: PinnedLRU[Entry] = PinnedLRU(1)
    busy = [Entry(in_flight=1) for _ in range(3)]
    for n, entry in enumerate(busy):
        assert put(entries, f"busy{n}", entry) == []
    idle = Entry()

    assert put(entries, "idle", idle) == []

    assert [entries.get(f"busy{n}") for n in range(3)] == busy
    assert entries.get("idle") is idle


def test_a_map_that_grew_too_large_shrinks_once_its_entries_are_idle() -> None:
    entries: PinnedLRU[Entry] = PinnedLRU(2)
    busy = [Entry(in_flight=1) for _ in range(5)]
    for n, entry in enumerate(busy):
        put(entries, f"busy{n}", entry)
    for entry in busy:
        entry.in_flight = 0

    evicted = put(entries, "new", Entry())

    assert len(evicted) == 4
    assert len(entries) == 2
    assert "new" in entries


def test_a_discarded_entry_is_handed_out_once() -> None:
    entries: PinnedLRU[Entry] = PinnedLRU(2)
    entry = Entry()
    put(entries, "one", entry)

    assert entries.discard("one") is entry
    assert entries.discard("one") is None
    assert len(entries) == 0


keys = st.sampled_from("abcdefgh")
steps = st.lists(st.tuples(st.sampled_from(["want", "want", "use", "release", "discard"]), keys), max_size=60)


@given(st.integers(1, 4), steps)
def test_without_anything_in_flight_it_is_a_least_recently_used_map(size: int, steps: list[tuple[str, str]]) -> None:
    entries: PinnedLRU[Entry] = PinnedLRU(size)
    model: dict[str, Entry] = {}
    for act, key in steps:
        if act == "discard":
            assert entries.discard(key) is model.pop(key, None)
            continue
        entry = entries.get(key)
        assert entry is model.get(key)
        if entry is not None:
            model[key] = model.pop(key)
            continue
        model[key] = Entry()
        expected = [model.pop(old) for old in list(model)[: max(0, len(model) - size)]]
        assert put(entries, key, model[key]) == expected
        assert len(entries) == len(model) <= size


@given(st.integers(1, 4), steps)
def test_pinned_entries_are_never_evicted_and_the_others_are_bounded(size: int, steps: list[tuple[str, str]]) -> None:
    entries: PinnedLRU[Entry] = PinnedLRU(size)
    model: dict[str, Entry] = {}
    for act, key in steps:
        if act == "want" and key not in model:
            for evicted in put(entries, key, entry := Entry()):
                del model[next(old for old, held in model.items() if held is evicted)]
                assert not evicted.in_flight
            model[key] = entry
            in_flight = sum(1 for entry in model.values() if entry.in_flight)
            assert len(entries) <= max(size, in_flight + 1)
        elif act == "discard" and key in model and not model[key].in_flight:
            entries.discard(key)
            del model[key]
        elif key in model:
            model[key].in_flight = max(0, model[key].in_flight + {"use": 1, "release": -1}.get(act, 0))
        assert len(entries) == len(model)
        assert all(key in entries for key in model)
