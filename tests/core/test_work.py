import pytest

from trackd.core.work import TooMuchWorkError, Work


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
