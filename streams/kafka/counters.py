"""What the data thread counts, cheap enough to be counted always.

One thread writes, any thread reads, nobody locks: a read may be a record behind, never torn. The names and units that
the outside sees are given in `ops/worker/metrics.py`, at the scrape.
"""

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field

#: From a store that answers from memory to a broker that struggles; the last is the delivery timeout's neighbourhood.
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
RECORDS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_000, 5_000)


class Histogram:
    """Counts by upper bound, as Prometheus has them: a value on a bound lies below it."""

    __slots__ = ("bounds", "buckets", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        #: One more than bounds: the last is for what exceeds them all. Not cumulative.
        self.buckets = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.buckets[bisect_left(self.bounds, value)] += 1
        self.total += value


def _seconds() -> Histogram:
    return Histogram(SECONDS)


def _by_label() -> defaultdict[str, int]:
    return defaultdict(int)


@dataclass(slots=True)
class Counters:
    """Of one service in this process, since it began."""

    #: Records that were read from its inputs, its own topic included.
    consumed: int = 0
    #: Of these, the ones whose type it does not consume.
    skipped: int = 0
    #: Of these, the ones that their key had absorbed before.
    repeats: int = 0
    #: Of these, the copies of a replay, which nobody decides on.
    replayed: int = 0
    decided: int = 0
    #: Outputs of decisions that were acknowledged.
    sent: int = 0
    changelog_records: int = 0
    #: Records that were set aside because their key waits, and that went on later.
    parked: int = 0
    unparked: int = 0
    #: Times that a write was withheld because the lease had run out, and records of an older owner that were ignored.
    fences: int = 0
    #: Times that a batch was withheld because the database refused too many of its records.
    brakes: int = 0
    wake_ups: int = 0
    #: Changelog records that were read to rebuild state.
    restored: int = 0
    #: Records of reference topics that say nothing we understand, by topic.
    unreadable_references: defaultdict[str, int] = field(default_factory=_by_label)
    dead_letters: defaultdict[str, int] = field(default_factory=_by_label)
    #: Records found on a partition that is not their key's, by the topic they were found on.
    forwarded: defaultdict[str, int] = field(default_factory=_by_label)
    #: By type of effect and what came of the call.
    effects: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    #: Records in one round.
    batch: Histogram = field(default_factory=lambda: Histogram(RECORDS))
    decide_seconds: Histogram = field(default_factory=_seconds)
    #: From the first changelog record of a round to its acknowledgement; the same for its outputs.
    changelog_seconds: Histogram = field(default_factory=_seconds)
    publish_seconds: Histogram = field(default_factory=_seconds)
    #: One write to the local store.
    flush_seconds: Histogram = field(default_factory=_seconds)

    def dead_letter(self, cause: str) -> None:
        """Counted by what the cause begins with: its kind. What follows is about one record, and without end."""
        self.dead_letters[cause.partition(":")[0]] += 1
