import pytest

from trackd.core.work import PostponedError, TooMuchWorkError, Work


def test_work_up_to_the_limit_is_allowed() -> None:
    work = Work(100)
    work.charge(60, "a schema")
    work.charge(40, "a schema")
    assert work.spent == 100


def test_work_over_the_limit_is_refused_with_its_name() -> None:
    work = Work(100)
    with pytest.raises(TooMuchWorkError, match=r"^the rule `r`$"):
        work.charge(101, "the rule", "r")


def test_work_over_the_limit_is_refused_with_its_kind_when_it_has_no_name() -> None:
    work = Work(100, spent=90)
    with pytest.raises(TooMuchWorkError, match=r"^its faults$"):
        work.charge(11, "its faults")


def test_a_call_is_postponed_when_its_work_is_over_its_allowance_and_refused_when_it_is_over_the_limit_too() -> None:
    Work(100, at_once=50).charge(50, "a schema")
    with pytest.raises(PostponedError):
        Work(100, at_once=50).charge(51, "a schema")
    with pytest.raises(TooMuchWorkError):
        Work(100, at_once=50).charge(101, "a schema")


def test_work_that_is_compared_with_the_limit_later_may_postpone_the_call_at_once() -> None:
    work = Work(100, at_once=50)
    work.add(50)
    with pytest.raises(PostponedError):
        work.add(1)
    without_allowance = Work(100)
    without_allowance.add(101)
    assert without_allowance.spent == 101


def test_foreseen_work_is_not_counted_but_may_postpone_the_call() -> None:
    work = Work(100, spent=10, at_once=50)
    work.foresee(40)
    with pytest.raises(PostponedError):
        work.foresee(41)
    assert work.spent == 10
    Work(100).foresee(1_000)
