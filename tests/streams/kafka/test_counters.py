from streams.kafka.counters import Counters, Histogram


def test_a_value_on_a_bound_lies_below_it_and_one_beyond_all_has_a_bucket_of_its_own() -> None:
    histogram = Histogram((1, 10))
    for value in (0, 1, 2, 10, 11):
        histogram.observe(value)
    assert (histogram.buckets, histogram.total) == ([2, 2, 1], 24)


def test_dead_letters_are_counted_by_kind_however_many_records_there_are() -> None:
    counters = Counters()
    for number in range(100):
        counters.dead_letter(f"ValueError: order {number} is no order")
    counters.dead_letter("unknown schema id: the registry has no schema 7")
    assert counters.dead_letters == {"ValueError": 100, "unknown schema id": 1}


def test_every_set_of_counters_begins_at_nothing_and_shares_nothing() -> None:
    Counters().batch.observe(1)
    Counters().effects["Charge", "ok"] += 1
    assert (sum(Counters().batch.buckets), Counters().effects) == (0, {})
