from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from examples.python.patience import patience
from ops.worker.health import Health
from ops.worker.metrics import COUNTS, DISTRIBUTIONS, FAILED, LEVELS, EngineCollector, table
from streams.hosting import Hosted
from tests.ops.worker.fakes import RECOVERING, FakeEngine, kindness, surroundings

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
DECLARED = {each.name for each in (*COUNTS, *DISTRIBUTIONS, *LEVELS)} | {FAILED}


def scraped(*engines: FakeEngine) -> CollectorRegistry:
    health, registry = Health(), CollectorRegistry()
    health.engines = {engine.service.name: engine for engine in engines}
    registry.register(EngineCollector(health))
    return registry


def engine() -> FakeEngine:
    return FakeEngine(Hosted(patience), surroundings())


def test_a_scrape_has_the_declared_metrics_and_no_other_and_prometheus_reads_it() -> None:
    text = generate_latest(scraped(engine())).decode()
    assert {family.name for family in text_string_to_metric_families(text)} == DECLARED


def test_before_there_is_an_engine_there_is_a_scrape() -> None:
    assert b"orderflow_records_consumed_total{" not in generate_latest(scraped())


def test_every_plain_count_reads_a_counter_of_its_own() -> None:
    names = ("consumed", "skipped", "repeats", "replayed", "decided", "sent", "changelog_records", "parked", "unparked")
    counted = engine()
    for number, name in enumerate((*names, "fences", "brakes", "wake_ups", "restored"), start=1):
        setattr(counted.counters, name, number)
    registry = scraped(counted)
    plain = [count for count in COUNTS if not count.labels]
    values = [registry.get_sample_value(f"{count.name}_total", {"service": "patience"}) for count in plain]
    assert values == list(range(1, len(plain) + 1))


def test_what_is_split_further_says_by_what() -> None:
    counted = engine()
    counted.counters.dead_letter("ValueError: no such order")
    counted.counters.forwarded["orders.dev.events"] += 2
    counted.counters.effects["Charge", "unavailable"] += 3
    value = scraped(counted).get_sample_value
    assert value("orderflow_dead_letters_total", {"service": "patience", "cause": "ValueError"}) == 1
    assert value("orderflow_records_forwarded_total", {"service": "patience", "topic": "orders.dev.events"}) == 2
    labels = {"service": "patience", "effect": "Charge", "result": "unavailable"}
    assert value("orderflow_effect_calls_total", labels) == 3


def test_a_distribution_is_cumulative_with_its_sum_and_count() -> None:
    counted = engine()
    for size in (1, 3, 9_999):
        counted.counters.batch.observe(size)
    value = scraped(counted).get_sample_value

    def bucket(bound: str) -> float | None:
        return value("orderflow_round_records_bucket", {"service": "patience", "le": bound})

    assert [bucket(bound) for bound in ("1", "2", "5", "5000", "+Inf")] == [1, 1, 2, 2, 3]
    assert value("orderflow_round_records_sum", {"service": "patience"}) == 10_003
    assert value("orderflow_round_records_count", {"service": "patience"}) == 3


def test_seconds_are_read_from_the_histogram_that_bears_their_name() -> None:
    counted = engine()
    counters = counted.counters
    for times, each in enumerate(
        (counters.decide_seconds, counters.changelog_seconds, counters.publish_seconds, counters.flush_seconds), start=1
    ):
        for _ in range(times):
            each.observe(0.01)
    value = scraped(counted).get_sample_value
    names = ("decide", "changelog", "publish", "store")
    counts = [value(f"orderflow_{name}_seconds_count", {"service": "patience"}) for name in names]
    assert counts == [1, 2, 3, 4]


def test_levels_are_those_of_the_status_at_the_scrape() -> None:
    scrape = scraped(engine()).get_sample_value

    def value(name: str, **labels: str) -> float | None:
        return scrape(f"orderflow_{name}", {"service": "patience", **labels})

    assert value("lag_records", partition="0") == 7
    assert value("parked_keys", partition="0") == 1
    assert value("partition_role", partition="2", role="standby") == 1
    assert value("effects_in_flight") == 2
    assert value("circuit_state", effect="Charge", state="open") == 1
    assert value("generation") == 3
    assert [value("lease_held"), value("assigned"), value("recovered"), value("failed")] == [1, 1, 1, 0]
    assert value("recovery_left_seconds", partition="0") is None


def test_a_recovery_shows_how_far_it_is_and_how_long_it_takes() -> None:
    recovering = engine()
    recovering.is_status = RECOVERING
    value = scraped(recovering).get_sample_value
    labels = {"service": "patience", "partition": "0"}
    assert value("orderflow_recovery_restored_records", labels) == 25
    assert value("orderflow_recovery_wanted_records", labels) == 100
    assert value("orderflow_recovery_left_seconds", labels) == 12.5


def test_each_service_of_the_process_has_its_own() -> None:
    other = FakeEngine(Hosted(kindness), surroundings())
    other.counters.decided, other.failure = 5, RuntimeError("away")
    value = scraped(engine(), other).get_sample_value
    assert value("orderflow_decisions_total", {"service": "patience"}) == 0
    assert value("orderflow_decisions_total", {"service": "kindness"}) == 5
    assert value("orderflow_failed", {"service": "kindness"}) == 1


def test_the_page_in_docs_is_the_one_that_the_metrics_give() -> None:
    assert PAGE.read_text("utf-8") == table(), "run: orderflow worker --metrics-page > docs/metrics.md"
