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


def test_the_error_names_the_event_too() -> None:
    work = Work(100)
    work.begin_event(0, "page-view", 50)
    work.begin_event(1, "purchase", 40)
    with pytest.raises(TooMuchWorkError, match=r"^events\.1 \(purchase\), its faults$"):
        work.charge(11, "its faults")


def test_an_event_may_be_too_much_before_it_is_processed() -> None:
    with pytest.raises(TooMuchWorkError, match=r"^events\.0 \(purchase\), its size and its rules$"):
        Work(100).begin_event(0, "purchase", 101)
