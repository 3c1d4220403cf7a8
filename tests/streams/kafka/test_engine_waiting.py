"""What waits at a key on Kafka, also over a restart: timers, calls to the outside, messages that can't be read yet."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock
from typing import Any

import pytest

from ops.stack import Addresses
from schemas.avsc import Schema
from schemas.topics import ORDERS_COMMANDS, ORDERS_EVENTS, PARTITIONS
from streams.codec import Codec
from streams.decision import Wake
from streams.effects import Policy, UnavailableError
from streams.errors import RegistryUnavailableError
from streams.kafka.engine import KafkaEngine
from streams.own import OwnCodec
from streams.registry import Registry
from streams.stores.rocks import RocksStores
from tests.streams.kafka.engines import Ground, active, confirm, orders, running, until
from tests.streams.kafka.patient import Charge, patient

pytestmark = pytest.mark.connected

ORDER, OTHER = [order for order, _ in zip(orders(0), range(2), strict=False)]


@pytest.fixture
def ground(stack: Addresses, unique: str) -> Ground:
    ground = Ground(stack.kafka, unique)
    ground.make_topics(patient)
    return ground


def said(ground: Ground) -> list[tuple[str, str]]:
    """Which word of which order, in the order of the topic; a repeat of an output is one."""
    found = {
        each.meta.messageId: (each.orderId, each.inventoryReservationId) for each in ground.messages(ORDERS_EVENTS)
    }
    return list(found.values())


def says(ground: Ground, *words: tuple[str, str]) -> Callable[[], bool]:
    return lambda: said(ground) == list(words)


def hangs(_: Charge, __: str) -> Any:
    raise UnavailableError("not today")


def engine(ground: Ground, perform: Any = hangs, **fields: Any) -> KafkaEngine:
    return ground.engine(patient, perform={Charge: perform}, **fields)


def committed(ground: Ground, count: int) -> Callable[[], bool]:
    return lambda: ground.committed(patient, ORDERS_COMMANDS)[0][0] == count


def test_a_timer_that_is_due_while_nobody_runs_fires_at_the_start_and_one_that_is_not_waits(ground: Ground) -> None:
    due = time.time() + 8
    ground.publish(confirm(ORDER, "in 8000"), confirm(OTHER, "in 3600000"))
    first = engine(ground)
    with running(first):
        until(committed(ground, 2), first)
    assert said(ground) == []
    until(lambda: time.time() > due)
    second = engine(ground)
    with running(second):
        until(says(ground, (ORDER, "woken")), second)
        until(lambda: second.counters.wake_ups == 1, second)


def test_a_timer_outlives_its_worker_and_is_on_time(ground: Ground) -> None:
    ground.publish(confirm(ORDER, "in 8000"))
    first = engine(ground)
    with running(first):
        until(committed(ground, 1), first)
    second = engine(ground)
    with running(second):
        until(lambda: len(active(second)) == PARTITIONS, second)
        assert said(ground) == []
        until(says(ground, (ORDER, "woken")), second)


def test_what_a_former_life_told_itself_and_did_not_decide_is_heard_by_the_next(ground: Ground) -> None:
    ground.publish(confirm(ORDER, "in 3600000"))
    first = engine(ground)
    with running(first):
        until(committed(ground, 1), first)
    entry = ground.entries(patient)[ORDER]
    assert entry is not None
    assert entry.timer is not None
    told = OwnCodec(patient).encode(Wake(entry.timer))
    ground.put(ground.own_topic(patient), told, ORDER.encode())
    ground.flush()
    second = engine(ground)
    with running(second):
        until(says(ground, (ORDER, "woken")), second)
        # From then on it knows by itself what it tells itself.
        ground.publish(confirm(OTHER, "in 1"))
        until(says(ground, (ORDER, "woken"), (OTHER, "woken")), second)
    assert second.counters.wake_ups == 1


@pytest.mark.proof
def test_a_hundred_thousand_timers_come_back_from_the_disk_and_not_from_the_changelog(
    ground: Ground, tmp_path: Path
) -> None:
    number = 100_000
    for key in range(number):
        order_id = f"{key:08x}-0000-4000-8000-000000000000"
        ground.put(ORDERS_COMMANDS, ground.codec.encode(confirm(order_id, "in 3600000")), order_id.encode())
    ground.flush()
    first = engine(ground, stores=RocksStores(tmp_path, partitions=PARTITIONS))
    with running(first):
        until(lambda: first.counters.decided == number, first)
        ends = ground.ends(ORDERS_COMMANDS)
        until(lambda: {n: at for n, (at, _) in ground.committed(patient, ORDERS_COMMANDS).items()} == ends, first)
    ground.publish(confirm(ORDER, "in 1"))
    second = engine(ground, stores=RocksStores(tmp_path, partitions=PARTITIONS))
    with running(second):
        until(says(ground, (ORDER, "woken")), second)
        assert second.counters.restored < 100
        waiting = sum(len(owner.partition.wakes) for owner in second._plane._owners.values())  # noqa: SLF001
        assert waiting == number


class Outside:
    """A gateway that may be away, and remembers whom it charged."""

    def __init__(self) -> None:
        self.away = True
        self.calls: Counter[str] = Counter()
        self.at_once = 0
        self.most_at_once = 0
        self._lock = Lock()

    def __call__(self, effect: Charge, effect_id: str) -> str:
        with self._lock:
            self.calls[effect_id] += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(0.01)
        with self._lock:
            self.at_once -= 1
        if self.away:
            raise UnavailableError("it is away")
        return f"charged {effect.order_id}"


@pytest.mark.proof
def test_calls_to_the_outside_are_bounded_and_made_again_until_it_answers(ground: Ground) -> None:
    outside, names = Outside(), [order for order, _ in zip(orders(0), range(20), strict=False)]
    ground.publish(*(confirm(order, "charge") for order in names))
    policy = Policy(at_once=3, longest_pause=100, breaker_failures=2, breaker_pause=200)
    one = engine(ground, outside, policies={Charge: policy})
    with running(one):
        until(lambda: one.status().circuits == {"Charge": "open"}, one)
        assert one.status().effects_in_flight <= 3
        outside.away = False
        until(lambda: sorted(said(ground)) == sorted((order, f"charged {order}") for order in names), one)
        until(lambda: one.status().circuits == {"Charge": "closed"}, one)
    assert outside.most_at_once <= 3
    assert len(outside.calls) == len(names)
    assert one.counters.effects["Charge", "performed"] == len(names)
    assert one.counters.effects["Charge", "failed"] == outside.calls.total() - len(names)


def test_a_call_without_an_answer_is_made_again_by_the_next_worker_under_the_same_id(ground: Ground) -> None:
    asked, ids = Event(), set[str]()

    def silent(_: Charge, effect_id: str) -> str:
        ids.add(effect_id)
        asked.set()
        Event().wait(60)
        return "too late"

    def answers(_: Charge, effect_id: str) -> str:
        ids.add(effect_id)
        return "charged"

    ground.publish(confirm(ORDER, "charge"))
    first = engine(ground, silent)
    with running(first):
        assert asked.wait(45)
        until(committed(ground, 1), first)
    second = engine(ground, answers)
    with running(second):
        until(says(ground, (ORDER, "charged")), second)
    assert len(ids) == 1


def test_a_call_for_a_key_that_was_forgotten_is_not_made_again(ground: Ground) -> None:
    outside = Outside()
    ground.publish(confirm(ORDER, "charge"))
    one = engine(ground, outside, policies={Charge: Policy(longest_pause=50, breaker_failures=1000)})
    with running(one):
        until(lambda: outside.calls.total() > 3, one)
        ground.publish(confirm(ORDER, "forget"))
        until(committed(ground, 2), one)
        until(lambda: one.status().effects_in_flight == 0, one)
        calls = outside.calls.total()
        outside.away = False
        ground.publish(confirm(ORDER, "still here"))
        until(says(ground, (ORDER, "still here")), one)
        assert outside.calls.total() == calls


class SlowToLearn:
    """A registry that is away for whoever asks for a schema, as long as it is told to be."""

    def __init__(self, known: Registry) -> None:
        self.away = True
        self._known = known

    def schema_of(self, schema_id: int) -> Schema | None:
        if self.away and schema_id == 9_999:
            raise RegistryUnavailableError("memory", "does not answer")
        return self._known.schema_of(schema_id if schema_id != 9_999 else 1)

    def id_of(self, subject: str, schema: Schema) -> int:
        return self._known.id_of(subject, schema)


@pytest.mark.parametrize("restart", [False, True], ids=["same worker", "next worker"])
def test_what_cannot_be_read_yet_waits_with_all_behind_it_while_other_keys_flow(ground: Ground, restart: bool) -> None:
    plain = Codec(ground.registry, ground.environment).encode(confirm(ORDER, "first"))
    assert plain[:5] == b"\0\0\0\0\x01", "the first schema of this registry"
    # The same schema, by an id that nobody here has seen.
    ground.put(ORDERS_COMMANDS, b"\0\0\0\x27\x0f" + plain[5:], ORDER.encode())
    ground.publish(confirm(ORDER, "second"), confirm(OTHER, "flows"), confirm(ORDER, "third"))
    registry = SlowToLearn(ground.registry)
    one = engine(ground, registry=registry)
    words = [(OTHER, "flows"), (ORDER, "first"), (ORDER, "second"), (ORDER, "third")]
    with running(one):
        until(committed(ground, 4), one)
        assert said(ground) == words[:1]
        assert one.counters.parked == 3
        if not restart:
            registry.away = False
            until(says(ground, *words), one)
    if restart:
        registry.away = False
        two = engine(ground, registry=registry)
        with running(two):
            until(says(ground, *words), two)
    assert ground.dead_letters(patient) == []
