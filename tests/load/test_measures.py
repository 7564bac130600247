from trackd.load.measures import Measures


def test_an_interval_has_what_happened_since_the_last_interval() -> None:
    measures = Measures()
    for latency_ms in range(1, 101):
        measures.record_latency(latency_ms / 1e3)
    measures.answers += 100
    first = measures.close_interval(2.0)
    measures.statuses[503] += 1
    measures.lost += 1
    second = measures.close_interval(3.0)

    assert (first.answers, first.rate, first.errors) == (100, 50, 0)
    assert (first.p50_ms, first.p99_ms, first.max_ms) == (51, 100, 100)
    assert (second.began, second.lasted, second.answers, second.errors) == (2.0, 1.0, 0, 2)
    assert measures.throughput == 100 / 3


def test_percentiles_are_of_the_whole_run_to_three_digits() -> None:
    measures = Measures()
    for latency_us in range(1, 10_001):
        measures.record_latency(latency_us / 1e6)
        measures.close_interval(float(latency_us))
    assert abs(measures.percentile_ms(50) - 5) < 0.01
    assert abs(measures.percentile_ms(99.9) - 9.99) < 0.01
    assert Measures().percentile_ms(50) == 0


def test_percentiles_of_very_short_and_very_long_latencies_have_three_digits_too() -> None:
    measures = Measures()
    for latency_s in (0.000_02, 0.000_02, 3_000.0):
        measures.record_latency(latency_s)
    assert abs(measures.percentile_ms(50) - 0.02) < 0.000_02
    assert abs(measures.percentile_ms(100) - 3_000_000) < 3_000
