from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from trackd.actors.pinned_lru import PinnedLRU


@dataclass(eq=False)
class Entry:
    in_flight: int = 0
    size: int = 0


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
    assert entries.get("new") is not None


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
        assert all(key in entries.entries for key in model)


def of_sizes(**sizes: int) -> PinnedLRU[Entry]:
    entries: PinnedLRU[Entry] = PinnedLRU(100)
    for key, size in sizes.items():
        put(entries, key, Entry(size=size))
    return entries


def test_large_entries_are_evicted_first_and_among_equals_the_least_recently_used() -> None:
    entries = of_sizes(small=10, a=1_000, b=1_010, c=1_005, huge=5_000)
    entries.get("a")

    assert [entry.size for entry in entries.shrink(1_200)] == [5_000, 1_010, 1_005]

    assert ["small" in entries.entries, "a" in entries.entries] == [True, True]
    assert entries.bytes == 1_010
    assert entries.shrink(1_010) == []


def test_pinned_entries_are_not_evicted_for_their_size_but_count() -> None:
    entries = of_sizes(small=10, pinned=1_000)
    pinned = entries.get("pinned")
    assert pinned is not None
    pinned.in_flight = 1

    assert [entry.size for entry in entries.shrink(100)] == [10]

    assert entries.bytes == 1_000


def test_an_entry_that_was_evicted_is_resized_no_more() -> None:
    entries = of_sizes(a=10, b=20)
    a = entries.get("a")
    assert a is not None
    entries.resize("a", a, 15)
    assert entries.bytes == 35

    entries.discard("a")
    put(entries, "a", Entry(size=1))
    entries.resize("a", a, 100)

    assert entries.bytes == 21


@given(
    st.integers(1, 4),
    st.lists(
        st.tuples(st.sampled_from(["put", "get", "resize", "discard", "shrink"]), keys, st.integers(0, 100)),
        max_size=60,
    ),
)
def test_the_bytes_are_the_sum_of_the_sizes(size: int, steps: list[tuple[str, str, int]]) -> None:
    entries: PinnedLRU[Entry] = PinnedLRU(size)
    added: dict[str, Entry] = {}
    for act, key, number in steps:
        entry = entries.get(key)
        match act:
            case "put" if entry is None:
                put(entries, key, added.setdefault(key, Entry(size=number)))
            case "resize" if entry is not None:
                entries.resize(key, entry, number)
            case "discard":
                entries.discard(key)
            case "shrink":
                entries.shrink(number)
                assert entries.bytes <= number
        assert entries.bytes == sum(entry.size for entry in map(entries.get, "abcdefgh") if entry)
