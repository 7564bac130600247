from trackd.actors.rules.remembered import MAX_REMEMBERED, Memory, Remembered


def remembered(properties="{}"):
    return Remembered(repetitions=((("consent", properties), ()),))


def test_what_is_equal_has_one_number():
    memory = Memory()
    number = memory.remember(remembered())

    assert memory.remember(remembered()) == number != memory.remember(remembered("[]"))
    assert memory.recall(number) == remembered()


def test_numbers_lead_to_nothing_in_another_memory():
    one, other = Memory(), Memory()
    numbers = [one.remember(remembered(str(n))) for n in range(100)]
    for n in range(100):
        other.remember(remembered(str(n)))

    assert [other.recall(number) for number in [0, *numbers]] == [None] * 101


def test_what_is_remembered_is_bounded():
    memory = Memory()
    numbers = [memory.remember(remembered(str(n))) for n in range(MAX_REMEMBERED + 1)]

    assert memory.recall(numbers[-1]) == remembered(str(MAX_REMEMBERED))
    assert memory.recall(numbers[0]) is None
