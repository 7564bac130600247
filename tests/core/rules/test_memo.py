from trackd.core.rules.memo import MAX_REMEMBERED, Memory, Remembered
from trackd.core.rules.rule import Segment


def remembered(properties="{}"):
    return Remembered(repetitions=((("consent", properties), ()),))


def test_what_is_equal_has_one_number():
    memory = Memory()
    number = memory.remember(remembered())

    assert memory.remember(remembered()) == number != memory.remember(remembered("[]"))
    assert memory.recall(number) == remembered()


def test_a_number_follows_from_the_content_and_the_rules():
    numbers = [Memory(rules).remember(remembered(str(n))) for rules in (b"a", b"b") for n in range(100)]
    again = Memory(b"a")

    assert len(set(numbers)) == 200
    assert all(0 < number < 2**63 for number in numbers)
    assert again.recall(numbers[0]) is None
    assert again.remember(remembered("0")) == numbers[0]
    assert again.recall(numbers[0]) == remembered("0")
    assert again.recall(numbers[100]) is None


def test_what_a_profile_was_remembered_with_before_it_repeated_anything_is_known_too():
    looked_at = frozenset([Segment("a", condition=None)])
    before = Memory().remember(Remembered(looked_at))

    memory = Memory()
    memory.remember(Remembered(looked_at, remembered().repetitions))

    assert memory.recall(before) == Remembered(looked_at)


def test_a_number_follows_from_the_segments_too():
    one, other = (Segment(name, condition=None) for name in "ab")
    alike = [Remembered(frozenset(segments)) for segments in ([one, other], [other, one])]
    apart = [Remembered(frozenset(segments)) for segments in ([one], [other], [])]

    assert len({Memory().remember(each) for each in alike}) == 1
    assert len({Memory().remember(each) for each in apart}) == 3


def test_what_is_remembered_is_bounded():
    memory = Memory()
    numbers = [memory.remember(remembered(str(n))) for n in range(MAX_REMEMBERED + 1)]

    assert memory.recall(numbers[-1]) == remembered(str(MAX_REMEMBERED))
    assert memory.recall(numbers[0]) is None
