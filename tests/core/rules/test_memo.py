from trackd.core.rules.memo import MAX_BYTES, Memo, MemoTable
from trackd.core.rules.repetitions import Repetition


def memo(properties: str = "{}", rules: bytes = b"") -> Memo:
    return Memo(rules, repetitions=(Repetition("consent", properties),))


def test_equal_memos_have_one_number() -> None:
    assert memo().number == memo().number != memo("[]").number


def test_a_number_follows_from_the_content_and_the_rules() -> None:
    numbers = [memo(str(n), rules).number for rules in (b"a", b"b") for n in range(100)]

    assert len(set(numbers)) == 200
    assert all(0 < number < 2**63 for number in numbers)


def test_a_number_follows_from_the_segments_in_any_order() -> None:
    assert Memo(b"", frozenset("ab")).number == Memo(b"", frozenset("ba")).number
    assert len({Memo(b"", frozenset(segments)).number for segments in ("a", "b", "ab", "")}) == 4


def test_a_table_finds_a_memo_by_its_number() -> None:
    memos = MemoTable()
    memos.put(memo().number, memo())

    assert memos.get(memo().number) == memo()
    assert memos.get(memo("[]").number) is None


def test_a_full_table_starts_anew() -> None:
    memos, last = MemoTable(), MAX_BYTES // memo().size
    for number in [*range(last), *range(last)]:
        memos.put(number, memo())
    assert memos.get(0) == memos.get(last - 1) == memo()

    memos.put(last, memo())

    assert [memos.get(number) for number in (0, 1, last)] == [None, None, memo()]


def test_a_memo_with_more_content_is_larger() -> None:
    contents = [Memo(b""), Memo(b"", frozenset("ab")), memo(), memo("[" * 200)]

    assert sorted({each.size for each in contents}) == [each.size for each in contents]
