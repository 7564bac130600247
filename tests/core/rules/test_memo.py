from trackd.core.rules.memo import MAX_REMEMBERED, Memo, MemoTable
from trackd.core.rules.rule import Segment


def memo(properties: str = "{}") -> Memo:
    return Memo(repetitions=((("consent", properties), ()),))


def test_what_is_equal_has_one_number() -> None:
    memos = MemoTable()
    number = memos.remember(memo())

    assert memos.remember(memo()) == number != memos.remember(memo("[]"))
    assert memos.recall(number) == memo()


def test_a_number_follows_from_the_content_and_the_rules() -> None:
    numbers = [MemoTable(rules).remember(memo(str(n))) for rules in (b"a", b"b") for n in range(100)]
    duplicate = MemoTable(b"a")

    assert len(set(numbers)) == 200
    assert all(0 < number < 2**63 for number in numbers)
    assert duplicate.recall(numbers[0]) is None
    assert duplicate.remember(memo("0")) == numbers[0]
    assert duplicate.recall(numbers[0]) == memo("0")
    assert duplicate.recall(numbers[100]) is None


def test_what_a_profile_was_remembered_with_before_it_repeated_anything_is_known_too() -> None:
    looked_at = frozenset([Segment("a", condition=None)])
    before = MemoTable().remember(Memo(looked_at))

    memos = MemoTable()
    memos.remember(Memo(looked_at, memo().repetitions))

    assert memos.recall(before) == Memo(looked_at)


def test_a_number_follows_from_the_segments_too() -> None:
    one, other = (Segment(name, condition=None) for name in "ab")
    alike = [Memo(frozenset(segments)) for segments in ([one, other], [other, one])]
    apart = [Memo(frozenset(segments)) for segments in ([one], [other], [])]

    assert len({MemoTable().remember(each) for each in alike}) == 1
    assert len({MemoTable().remember(each) for each in apart}) == 3


def test_what_is_remembered_is_bounded() -> None:
    memos = MemoTable()
    numbers = [memos.remember(memo(str(n))) for n in range(MAX_REMEMBERED + 1)]

    assert memos.recall(numbers[-1]) == memo(str(MAX_REMEMBERED))
    assert memos.recall(numbers[0]) is None
