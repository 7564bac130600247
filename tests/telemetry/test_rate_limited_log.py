from trackd.telemetry.rate_limited_log import EVERY_S, RateLimitedLog


def test_a_line_is_due_at_once_and_again_after_a_while_with_all_that_came_between() -> None:
    now = 0.0
    sparse = RateLimitedLog(lambda: now)
    assert sparse.due("a") == 1
    assert sparse.due("a") is None
    assert sparse.due("a", times=3) is None
    now = EVERY_S - 0.1
    assert sparse.due("a") is None
    now = EVERY_S
    assert sparse.due("a", times=2) == 7
    assert sparse.due("a") is None


def test_each_kind_has_its_own_line() -> None:
    sparse = RateLimitedLog(lambda: 0.0)
    assert [sparse.due(kind) for kind in ("a", "b", ("a", 1), "a")] == [1, 1, 1, None]
