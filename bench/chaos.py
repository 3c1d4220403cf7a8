"""Whether anything is lost, doubled or set back while workers, and brokers, are killed at random moments.

Two workers count and pass on messages; one of them, at times both, are killed (-9) and started again. In the end what
lies on the topics is compared with what was put in (`bench/ledger.py`).

python -m bench.chaos --messages 200000 --kills 20 --store rocksdb --brokers 3
python -m bench.chaos --messages 5000000 --kills 0 --rate 15000 --rss
"""

import argparse
import json
import shutil
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from statistics import linear_regression

from confluent_kafka import Producer

from bench.fleet import Fleet
from bench.ledger import Findings, Ledger
from ops import contract, registration
from ops.settings import Settings
from ops.stack import Addresses, Stack
from ops.stack.background import in_background
from ops.stack.process import find_all, stop
from schemas.orders import ConfirmOrder, OrderConfirmed
from schemas.topics import ORDERS_COMMANDS, ORDERS_EVENTS, PARTITIONS
from streams.codec import Codec
from streams.confluent import ConfluentRegistry
from streams.partitioner import partition_of
from streams.producer import SETTINGS
from streams.topics import TopicAdmin, plan, wanted
from tests.streams.kafka.counting import counter

DATA_DIR = Path(".orderflow") / "chaos"
#: Of its own name space, so that the same run has the same keys.
_KEYS = uuid.UUID("6f3b4e0c-54c5-5d0e-9f6b-5d4f0b1f3c11")
#: Nothing was committed for so long: then nothing comes any more.
STALLED_SECONDS = 90.0
_LOOK_SECONDS = 1.0

service = counter("chaos")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done to whom."""

    messages: int
    kills: int
    keys: int = 500
    store: str = "rocksdb"
    workers: int = 2
    seed: int = 1
    #: Between two kills, on average; the messages are spread over all of that time.
    pause_seconds: float = 6.0
    session_seconds: float = 6.0
    #: Messages a second; None for as many as it takes to last as long as the kills.
    rate: float | None = None
    #: Sample how much memory the workers take.
    rss: bool = False


@dataclass(slots=True)
class Report:
    """What came of it."""

    messages: int = 0
    kills: int = 0
    seconds: float = 0.0
    #: From the last kill, or the last message, until everything was committed.
    drained_seconds: float = 0.0
    findings: Findings = field(default_factory=Findings)
    #: Workers that ended without having been killed.
    deserters: list[str] = field(default_factory=list)
    #: By worker, of the second half of the messages: MB now, and MB more per million messages.
    rss_mb: list[float] = field(default_factory=list)
    rss_slope: list[float] = field(default_factory=list)

    @property
    def violations(self) -> int:
        return self.findings.violations + len(self.deserters)


class World:
    """Topics, schemas and messages of one run, on a cluster that others use too."""

    def __init__(self, addresses: Addresses, environment: str, *, keys: int, seed: int) -> None:
        self.addresses = addresses
        self.environment = environment
        self._random = Random(seed)
        self._keys = [str(uuid.uuid5(_KEYS, str(number))) for number in range(keys)]
        self._client = {"bootstrap.servers": addresses.kafka}
        self._registry = ConfluentRegistry({"url": addresses.registry})
        self._codec = Codec(self._registry, environment)
        self._stopped = False
        self.sent = 0
        self.ledger = Ledger(service, environment, addresses.kafka, self._codec)

    def prepare(self) -> None:
        admin = TopicAdmin(self._client)
        brokers = admin.brokers()
        declared = [wanted(topic, self.environment, brokers=brokers) for topic in (ORDERS_COMMANDS, ORDERS_EVENTS)]
        admin.apply(plan(declared, admin.find([each.name for each in declared])), declared)
        with contract.opened({"url": self.addresses.registry}) as registry:
            registration.register(registry, self.environment, [ConfirmOrder, OrderConfirmed])

    def publish(self, count: int, rate: float = float("inf")) -> None:
        """Blocks until all are acknowledged, or `stop` was called."""
        producer = Producer({**self._client, **SETTINGS, "message.timeout.ms": 600_000, "log_level": 0})
        topic, began, lost = ORDERS_COMMANDS.name(self.environment), time.monotonic(), list[str]()

        def delivered(error: object, _record: object) -> None:
            if error is not None:
                lost.append(str(error))

        for number in range(count):
            if self._stopped:
                break
            key, worth = self._random.choice(self._keys), self._random.randrange(1, 1_000)
            value = self._codec.encode(ConfirmOrder(orderId=key, inventoryReservationId=str(worth)))
            while True:
                try:
                    producer.produce(topic, value, key, partition_of(key.encode(), PARTITIONS), delivered)
                except BufferError:
                    producer.poll(_LOOK_SECONDS)
                else:
                    break
            self.ledger.note(key, worth)
            self.sent += 1
            producer.poll(0)
            while (ahead := began + number / rate - time.monotonic()) > 0:
                producer.poll(ahead)
        if producer.flush(STALLED_SECONDS) or lost:
            raise RuntimeError(f"not all messages could be published, so nothing can be said: {lost[:3]}")

    def stop(self) -> None:
        self._stopped = True

    def drained(self, look: Callable[[], None] = lambda: None) -> bool:
        """Wait until everything is committed, and look meanwhile; False if nothing moves any more."""
        best, moved_at = -1, time.monotonic()
        while time.monotonic() - moved_at < STALLED_SECONDS:
            done, there = self.ledger.progress()
            look()
            if done == there:
                return True
            if done > best:
                best, moved_at = done, time.monotonic()
            time.sleep(_LOOK_SECONDS)
        return False

    def close(self) -> None:
        self.ledger.close()
        self._registry.close()


def run(
    plan: Plan, addresses: Addresses, environment: str, directory: Path, upset: Callable[[Random], None] | None = None
) -> Report:
    """`upset`: what else is done at each kill."""
    report, random, began = Report(messages=plan.messages), Random(plan.seed), time.monotonic()
    fleet = Fleet(
        addresses,
        environment,
        directory,
        app="bench.chaos:service",
        count=plan.workers,
        store=plan.store,
        session_seconds=plan.session_seconds,
    )
    with closing(World(addresses, environment, keys=plan.keys, seed=plan.seed)) as world:
        world.prepare()
        with fleet:
            fleet.share(PARTITIONS)
            rate = plan.rate or (plan.messages / (plan.kills * plan.pause_seconds) if plan.kills else float("inf"))
            publishing = in_background(partial(world.publish, plan.messages, rate))
            samples: list[tuple[int, list[int]]] = []

            def weigh() -> None:
                if plan.rss:
                    samples.append((world.ledger.progress()[0], [worker.rss for worker in fleet]))

            try:
                for _ in range(plan.kills):
                    time.sleep(random.uniform(0, 2 * plan.pause_seconds))
                    _kill(fleet, random, report, upset)
                while not publishing.done():
                    time.sleep(_LOOK_SECONDS)
                    weigh()
            finally:
                world.stop()
                publishing.result()
            since = time.monotonic()
            if not world.drained(weigh):
                report.findings.violated("the inputs", "all of them committed", world.ledger.progress())
            report.drained_seconds = time.monotonic() - since
            report.deserters += [f"{worker.log}: exit code {worker.ended}" for worker in fleet if worker.ended]
        world.ledger.audit(report.findings)
    if plan.rss:
        _weigh(report, samples)
    report.seconds = time.monotonic() - began
    return report


def _kill(fleet: Fleet, random: Random, report: Report, upset: Callable[[Random], None] | None) -> None:
    victims = random.sample(fleet.workers, random.choice((1, 1, 1, len(fleet.workers))))
    for worker in victims:
        if worker.ended is not None:
            report.deserters.append(f"{worker.log}: exit code {worker.ended}")
        worker.kill()
    report.kills += 1
    if upset is not None:
        upset(random)
    for worker in victims:
        time.sleep(random.uniform(0, 1))
        worker.start()


def _weigh(report: Report, samples: list[tuple[int, list[int]]]) -> None:
    """By the second half: what is loaded, cached or pooled comes first."""
    half = [sample for sample in samples if sample[0] >= report.messages / 2]
    for each in zip(*(sizes for _, sizes in half), strict=True):
        slope = linear_regression([done / 1e6 for done, _ in half], [size / 2**20 for size in each]).slope
        report.rss_mb.append(round(each[-1] / 2**20, 1))
        report.rss_slope.append(round(slope, 2))


def _upsetting(stack: Stack, root: Path) -> Callable[[Random], None]:
    def upset(random: Random) -> None:
        """Kill a broker, and heal the cluster."""
        brokers = [process for path, process in sorted(find_all(root).items()) if path.name.startswith("kafka-")]
        broker = random.choice(brokers)
        broker.kill()
        stop([broker], seconds=10)
        time.sleep(random.uniform(0, 3))
        stack.up()

    return upset


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--messages", type=int, default=200_000)
    arguments.add_argument("--kills", type=int, default=20)
    arguments.add_argument("--keys", type=int, default=500)
    arguments.add_argument("--store", choices=("rocksdb", "memory"), default="rocksdb")
    arguments.add_argument("--brokers", type=int, choices=(1, 3), default=1, help="with 3, one is killed at each kill")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--rate", type=float, help="messages a second")
    arguments.add_argument("--rss", action="store_true", help="sample the memory of the workers")
    arguments.add_argument("--json", action="store_true", help="for machines")
    wanted = arguments.parse_args()
    shared = ("messages", "kills", "keys", "store", "seed", "rate", "rss")
    plan = Plan(**{name: getattr(wanted, name) for name in shared})
    root = (DATA_DIR / f"{wanted.brokers}-brokers").resolve()
    stack = Stack(Settings(data_dir=root), brokers=wanted.brokers)
    directory = root / "workers"
    shutil.rmtree(directory, ignore_errors=True)
    try:
        upset = _upsetting(stack, root) if wanted.brokers > 1 else None
        report = run(plan, stack.up(), f"chaos-{int(time.time())}", directory, upset)
    finally:
        stack.down(purge=True)
    if wanted.json:
        print(json.dumps(asdict(plan) | asdict(report)))
    else:
        _tell(plan, report)
    sys.exit(1 if report.violations else 0)


def _tell(plan: Plan, report: Report) -> None:
    findings = report.findings
    print(
        f"{report.messages} messages, {report.kills} kills, {plan.store}: {report.seconds:.0f} s, "
        f"drained in {report.drained_seconds:.0f} s; {findings.outputs} outputs, of which {findings.repeats} "
        f"are repeats; {findings.strangers} late changelog records without effect"
    )
    if report.rss_mb:
        print(f"memory of each worker: {report.rss_mb} MB, {report.rss_slope} MB more per million messages")
    print(f"violations: {report.violations}")
    for each in [*findings.told, *report.deserters]:
        print(f"  {each}")


if __name__ == "__main__":
    main()
