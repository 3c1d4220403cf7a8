"""Every number a worker shows, declared once: `docs/metrics.md` is generated from here.

They are read from the engines at each scrape. Nothing is counted twice, and nothing of this runs beside a record.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ops.worker.health import Health
from streams.kafka.counters import Counters, Histogram
from streams.kafka.status import PartitionStatus, ServiceStatus

#: Label values beside the service's name, and the number they have.
Samples = Iterable[tuple[tuple[str, ...], float]]


class Count(NamedTuple):
    """A number that only rises; its name at the scrape ends in `_total`."""

    name: str
    help: str
    read: Callable[[Counters], Samples]
    labels: tuple[str, ...] = ()


class Distribution(NamedTuple):
    name: str
    help: str
    read: Callable[[Counters], Histogram]


class Level(NamedTuple):
    name: str
    help: str
    read: Callable[[ServiceStatus], Samples]
    labels: tuple[str, ...] = ()


def _plain(read: Callable[[Counters], int]) -> Callable[[Counters], Samples]:
    return lambda counters: [((), read(counters))]


def _by_name(read: Callable[[Counters], Mapping[str, int]]) -> Callable[[Counters], Samples]:
    # A copy is one step that no other thread can come between; a loop over what the data thread adds to is not.
    return lambda counters: [((name,), count) for name, count in dict(read(counters)).items()]


def _each(read: Callable[[PartitionStatus], float]) -> Callable[[ServiceStatus], Samples]:
    return lambda status: [((str(each.partition),), read(each)) for each in status.partitions]


COUNTS = (
    Count(
        "orderflow_records_consumed",
        "Records read from a service's inputs, its own topic included.",
        _plain(lambda counters: counters.consumed),
    ),
    Count(
        "orderflow_records_skipped",
        "Of these, records of a type that the service does not consume.",
        _plain(lambda counters: counters.skipped),
    ),
    Count(
        "orderflow_records_repeated",
        "Of these, records that their key had absorbed before.",
        _plain(lambda counters: counters.repeats),
    ),
    Count(
        "orderflow_records_replayed",
        "Of these, copies made by `orderflow replay`, which no service decides on.",
        _plain(lambda counters: counters.replayed),
    ),
    Count("orderflow_decisions", "Decisions made.", _plain(lambda counters: counters.decided)),
    Count(
        "orderflow_outputs_sent",
        "Outputs of decisions, acknowledged by the broker.",
        _plain(lambda counters: counters.sent),
    ),
    Count(
        "orderflow_changelog_records", "Changelog records written.", _plain(lambda counters: counters.changelog_records)
    ),
    Count(
        "orderflow_records_parked",
        "Records set aside because their key waits.",
        _plain(lambda counters: counters.parked),
    ),
    Count("orderflow_records_unparked", "Parked records that went on.", _plain(lambda counters: counters.unparked)),
    Count(
        "orderflow_fences",
        "Writes withheld without a lease, and records of an older owner that were ignored.",
        _plain(lambda counters: counters.fences),
    ),
    Count(
        "orderflow_brakes",
        "Batches withheld because the database refused record after record: a table is wrong.",
        _plain(lambda counters: counters.brakes),
    ),
    Count("orderflow_wake_ups", "Keys woken at their deadline.", _plain(lambda counters: counters.wake_ups)),
    Count(
        "orderflow_records_restored",
        "Changelog records read to rebuild state.",
        _plain(lambda counters: counters.restored),
    ),
    Count(
        "orderflow_references_unreadable",
        "Records of reference topics that could not be read; their keys keep what they had.",
        _by_name(lambda counters: counters.unreadable_references),
        ("topic",),
    ),
    Count(
        "orderflow_dead_letters",
        "Records set aside for good, by the kind of cause.",
        _by_name(lambda counters: counters.dead_letters),
        ("cause",),
    ),
    Count(
        "orderflow_records_forwarded",
        "Records found on a partition that is not their key's, by the topic they were found on.",
        _by_name(lambda counters: counters.forwarded),
        ("topic",),
    ),
    Count(
        "orderflow_effect_calls",
        "Calls to the outside, by type of effect and what came of them.",
        lambda counters: dict(counters.effects).items(),
        ("effect", "result"),
    ),
)

DISTRIBUTIONS = (
    Distribution("orderflow_round_records", "Records in one round of a partition.", lambda counters: counters.batch),
    Distribution(
        "orderflow_decide_seconds", "Deciding one round, decoding included.", lambda counters: counters.decide_seconds
    ),
    Distribution(
        "orderflow_changelog_seconds",
        "From writing a round's changelog records to their acknowledgement.",
        lambda counters: counters.changelog_seconds,
    ),
    Distribution(
        "orderflow_publish_seconds",
        "From sending a round's outputs to their acknowledgement.",
        lambda counters: counters.publish_seconds,
    ),
    Distribution("orderflow_store_seconds", "One write to the local store.", lambda counters: counters.flush_seconds),
)

LEVELS = (
    Level(
        "orderflow_lag_records",
        "Records of a partition's inputs that are not absorbed yet.",
        _each(lambda each: each.lag),
        ("partition",),
    ),
    Level(
        "orderflow_parked_keys",
        "Keys that wait, with the records behind them set aside.",
        _each(lambda each: each.parked),
        ("partition",),
    ),
    Level(
        "orderflow_partition_role",
        "1 for what the partition is here: recovering, active, standby or waiting.",
        lambda status: [((str(each.partition), each.role), 1) for each in status.partitions],
        ("partition", "role"),
    ),
    Level(
        "orderflow_recovery_restored_records",
        "Changelog records read by the recovery that runs, or ran last.",
        _each(lambda each: each.restored),
        ("partition",),
    ),
    Level(
        "orderflow_recovery_wanted_records",
        "Changelog records that it had to read when it began.",
        _each(lambda each: each.to_restore),
        ("partition",),
    ),
    Level(
        "orderflow_recovery_left_seconds",
        "How long the recovery will still take; absent where nothing recovers.",
        lambda status: [
            ((str(each.partition),), each.eta_seconds) for each in status.partitions if each.eta_seconds is not None
        ],
        ("partition",),
    ),
    Level(
        "orderflow_effects_in_flight",
        "Calls to the outside that have no answer yet.",
        lambda status: [((), status.effects_in_flight)],
    ),
    Level(
        "orderflow_circuit_state",
        "1 for what the circuit of an effect is: closed, open or half open.",
        lambda status: [((effect, circuit), 1) for effect, circuit in status.circuits.items()],
        ("effect", "state"),
    ),
    Level(
        "orderflow_reference_keys",
        "Keys of a reference topic that are held for the service's decisions.",
        lambda status: [((topic,), keys) for topic, keys in status.references.items()],
        ("topic",),
    ),
    Level("orderflow_lease_held", "1 while the service may write.", lambda status: [((), status.lease)]),
    Level(
        "orderflow_assigned",
        "1 once the group gave the service its share of partitions.",
        lambda status: [((), status.assigned)],
    ),
    Level(
        "orderflow_recovered",
        "1 while every partition here is as far as its changelog.",
        lambda status: [((), status.recovered)],
    ),
    Level("orderflow_generation", "The group's generation.", lambda status: [((), status.generation)]),
)

FAILED = "orderflow_failed"
FAILED_HELP = "1 once a service can't go on; the process ends."


class EngineCollector(Collector):
    """Reads the engines that are there at the moment of the scrape."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def describe(self) -> Iterable[Metric]:
        """Nothing: else the registry would scrape us in order to learn our names."""
        return ()

    def collect(self) -> Iterator[Metric]:
        engines = self._health.engines
        for count in COUNTS:
            counter = CounterMetricFamily(count.name, count.help, labels=("service", *count.labels))
            for name, engine in engines.items():
                for labels, value in count.read(engine.counters):
                    counter.add_metric((name, *labels), value)
            yield counter
        for distribution in DISTRIBUTIONS:
            histogram = HistogramMetricFamily(distribution.name, distribution.help, labels=("service",))
            for name, engine in engines.items():
                read = distribution.read(engine.counters)
                histogram.add_metric((name,), _cumulative(read), read.total)
            yield histogram
        statuses = {name: engine.status() for name, engine in engines.items()}
        for level in LEVELS:
            gauge = GaugeMetricFamily(level.name, level.help, labels=("service", *level.labels))
            for name, status in statuses.items():
                for labels, value in level.read(status):
                    gauge.add_metric((name, *labels), value)
            yield gauge
        failed = GaugeMetricFamily(FAILED, FAILED_HELP, labels=("service",))
        for name, engine in engines.items():
            failed.add_metric((name,), engine.failure is not None)
        yield failed


def _cumulative(histogram: Histogram) -> list[tuple[str, float]]:
    bounds = [*map(str, histogram.bounds), "+Inf"]
    return list(zip(bounds, accumulate(histogram.buckets), strict=True))


def table() -> str:
    """`docs/metrics.md`."""
    rows = [
        *((f"{count.name}_total", "counter", count.labels, count.help) for count in COUNTS),
        *((each.name, "histogram", (), each.help) for each in DISTRIBUTIONS),
        *((level.name, "gauge", level.labels, level.help) for level in LEVELS),
        (FAILED, "gauge", (), FAILED_HELP),
    ]
    return "\n".join(
        [
            "# Metrics",
            "",
            "What a worker shows Prometheus at `/metrics`, beside the usual `process_*`. Each is per `service`; what",
            "else it is split by stands with it. This page is generated: `orderflow worker --metrics-page`.",
            "",
            "| metric | kind | also by | meaning |",
            "| --- | --- | --- | --- |",
            *(f"| `{name}` | {kind} | {', '.join(labels)} | {text} |" for name, kind, labels, text in rows),
            "",
        ]
    )
