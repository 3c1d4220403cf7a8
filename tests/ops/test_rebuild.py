"""State filled anew from the changelog, and folded anew from inputs, as a worker left both."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from ops.groups import GroupError
from ops.reading import Reader, unseen
from ops.rebuild.compare import MOST_RECORDS, NEAR_MILLIS, difference, reordered
from ops.rebuild.events import Comparison, compare, tables_of
from ops.rebuild.refill import refill
from ops.rebuild.refold import Mute, Refold, Told
from ops.rebuild.site import RebuildError, Site
from ops.stack import Addresses
from schemas.examples import example_of
from schemas.message import Message
from schemas.orders import CancelOrder, ConfirmOrder, OrderConfirmed
from schemas.payments import AuthorizePayment
from schemas.topics import ORDERS_COMMANDS, PARTITIONS
from streams.codec import Codec
from streams.decision import Decision, Performed
from streams.effects import UnavailableError
from streams.kafka.counters import Counters
from streams.kafka.topics import group_of
from streams.kafka.wire import Codecs
from streams.own import OwnCodec
from streams.service import Service
from streams.state import StateCodec
from streams.step import Arrival, Entry
from streams.stores.rocks import RocksStores
from streams.testing.registry import MemoryRegistry
from tests.contract.payments import Charge, payments
from tests.contract.services import Seen, clerk
from tests.contract.services import orders as order_service
from tests.contract.test_twin import create, id_of
from tests.contract.waiting import alarm, shop
from tests.streams.kafka.counting import Count, counter
from tests.streams.kafka.engines import SECONDS, Ground, confirm, orders, running, until

KEY = next(orders(0))


def refold_of(service: Service[Any, Any], **turns: list[int]) -> Refold:
    codec = Codec(MemoryRegistry(), "test")
    codecs = Codecs(service, "test", codec, OwnCodec(service), StateCodec(service))
    names = [*(topic.name("test") for topic in service.topics), f"{service.name}.test.own"]
    wire = Mute(codecs, 0, 1, {name: name for name in names}, Counters(), suspects=frozenset())
    return Refold(service, wire, {KEY: turns.get("turns", [])})


def told(refold: Refold, *arrivals: Arrival) -> Entry[Any] | None:
    found = Told()
    for arrival in arrivals:
        found = refold.after(found, arrival)
    return found.entry


def test_a_difference_is_told_by_its_first_field() -> None:
    assert difference(Entry(1, Count(1, 5)), Entry(2, Count(1, 5), absorbed={"topic": 9})) is None
    assert (
        difference(Entry(1, Count(1, 5)), Entry(1, Count(1, 7))) == "state.total: 5 in the changelog, 7 from its inputs"
    )
    assert difference(Entry(1, Count(1, 5)), None) is not None
    assert difference(None, None) is None
    assert difference(Entry(1, Count(), timer=7), Entry(1, Count())) == (
        "timer: 7 in the changelog, nothing from its inputs"
    )


def test_a_decision_that_asked_the_outside_has_the_number_that_its_answer_bears() -> None:
    asked = AuthorizePayment.model_copy(example_of(AuthorizePayment), update={"paymentId": KEY})
    own = "payments.test.own"
    arrivals = [
        Arrival("payments.test.commands", 0, KEY, 1, asked),
        Arrival(own, 0, KEY, 2, Performed(f"payments/{KEY}/4711/effect-1", None)),
        Arrival("payments.test.commands", 1, KEY, 3, asked),
        Arrival(own, 1, KEY, 4, Performed(f"payments/{KEY}/4711/effect-1", None)),
    ]
    entry = told(refold_of(payments, turns=[4711, 4999]), *arrivals)
    assert entry is not None
    assert entry.state is not None
    assert entry.state.answers == 0  # the second request began anew
    assert [*entry.pending] == [f"payments/{KEY}/4999/effect-1"]


def confirmed(at: int, offset: int = 0) -> Arrival:
    message = example_of(OrderConfirmed).model_copy(update={"orderId": KEY, "meta": None})
    return Arrival("orders.test.events", offset, KEY, at, message)


@dataclass(frozen=True, slots=True)
class Last:
    said: str


def decide_last(state: Last | None, message: OrderConfirmed | CancelOrder, at: int) -> Decision[Last]:
    return Decision(Last(type(message).__name__))


last = Service(name="last", state=Last, decide=decide_last)


def test_another_order_of_two_topics_is_found_and_of_one_topic_is_none() -> None:
    refold = refold_of(last)
    cancelled = Arrival(
        "orders.test.commands", 0, KEY, 1_000, example_of(CancelOrder).model_copy(update={"meta": None})
    )
    known: Entry[Any] = Entry(1, Last("CancelOrder"))
    assert reordered(refold, [cancelled, confirmed(1_000)], known)
    assert reordered(refold, [cancelled, confirmed(1_500), confirmed(1_500, 1)], known)
    assert not reordered(refold, [cancelled, confirmed(1_001 + NEAR_MILLIS)], known)
    assert not reordered(refold, [confirmed(1_000), confirmed(1_000, 1)], known)
    assert not reordered(refold, [cancelled] + [confirmed(1_000, number) for number in range(MOST_RECORDS)], known)


# What workers left on a broker.


@pytest.fixture
def ground(stack: Addresses, unique: str) -> Ground:
    return Ground(stack.kafka, unique)


@contextmanager
def site_of(ground: Ground, service: Service[Any, Any]) -> Iterator[Site]:
    with Reader(ground.client, ground.codec) as reader:
        yield Site(service, ground.environment, ground.client, reader=reader, codec=ground.codec)


def compared(ground: Ground, service: Service[Any, Any]) -> list[Comparison]:
    with site_of(ground, service) as site:
        tables = tables_of(site)
        return [compare(site, number, tables, unseen) for number in site.numbers(None)]


def verdicts(found: list[Comparison]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for each in found:
        for verdict, count in each.counts.items():
            counts[verdict] = counts.get(verdict, 0) + count
    return counts


def lived(ground: Ground, service: Service[Any, Any], *messages: Message, decided: int, **site: Any) -> None:
    """A worker that has decided so often, and was stopped."""
    ground.make_topics(service)
    engine = ground.engine(service, **site)
    with running(engine):
        ground.publish(*messages)
        until(lambda: engine.counters.decided >= decided, engine)


def ordered(number: int) -> list[str]:
    found = [orders(partition) for partition in range(PARTITIONS)]
    return [next(each) for _ in range(number) for each in found]


@pytest.mark.connected
def test_a_worker_goes_on_from_a_store_that_was_filled_anew(ground: Ground, tmp_path: Path) -> None:
    service = counter("refilled")
    keys = ordered(2)
    lived(ground, service, *map(confirm, keys), *map(confirm, keys), decided=16)
    stores = RocksStores(tmp_path, partitions=8)
    with closing(stores.open(group_of(service.name, ground.environment), 0)) as store:
        store.write([(b"stale", b"nonsense")], None)
    with site_of(ground, service) as site:
        has = [refill(site, stores, number, unseen) for number in site.numbers(None)]
        assert [(each.keys, each.owed, each.due) for each in has] == [(2, 0, 0)] * PARTITIONS
    engine = ground.engine(service, stores=stores)
    with running(engine):
        ground.publish(*map(confirm, keys))
        until(lambda: engine.counters.decided == 8, engine)
        # Of the changelog it has read its own claims, and nothing before.
        assert engine.counters.restored <= 2 * PARTITIONS
        with site_of(ground, service) as site, pytest.raises(GroupError, match="is at work"):
            site.numbers(None)
    assert {entry.state.number for entry in ground.entries(service).values() if entry and entry.state} == {3}


@pytest.mark.connected
def test_inputs_give_what_the_changelog_has_and_what_is_not_read_yet_is_no_difference(ground: Ground) -> None:
    service = counter("refolded")
    keys = ordered(3)
    lived(ground, service, *map(confirm, keys), *map(confirm, keys), decided=24)
    ground.publish(*map(confirm, keys))
    found = compared(ground, service)
    assert verdicts(found) == {"same": 12}
    assert all(each.sound and not each.limits for each in found)


@pytest.mark.connected
def test_code_that_decides_otherwise_shows_and_nothing_excuses_it(ground: Ground) -> None:
    service = counter("recoded")
    keys = ordered(1)
    lived(ground, service, *map(confirm, keys), decided=4)

    def decide(state: Count | None, message: ConfirmOrder, at: int) -> Decision[Count]:
        return Decision(Count(1, 7 if message.orderId == keys[2] else 1))

    changed = Service(name="recoded", state=Count, decide=decide, sends=(OrderConfirmed,))
    found = compared(ground, changed)
    assert verdicts(found) == {"same": 3, "different": 1}
    (difference,) = found[2].differences
    assert (difference.key, difference.doubts) == (keys[2], ())
    assert difference.field == "state.total: 1 in the changelog, 7 from its inputs"
    assert [each.sound for each in found] == [True, True, False, True]


@pytest.mark.connected
def test_where_inputs_are_gone_a_difference_says_so(ground: Ground) -> None:
    service = counter("retained")
    key, kept = ordered(1)[0], ordered(1)[1]
    lived(ground, service, confirm(key), confirm(key), confirm(kept), decided=3)
    place = TopicPartition(ORDERS_COMMANDS.name(ground.environment), 0, 1)
    for done in ground.admin.delete_records([place]).values():
        done.result(SECONDS)
    found = compared(ground, service)
    assert verdicts(found) == {"different": 1, "same": 1}
    (difference,) = found[0].differences
    assert difference.doubts == found[0].limits
    assert "begins at offset 1: what was before is gone (retention)" in difference.doubts[0]
    assert difference.field == "state.number: 2 in the changelog, 1 from its inputs"


@pytest.mark.connected
def test_effects_are_not_asked_for_again_and_what_came_of_them_counts(ground: Ground) -> None:
    asked: list[str] = []
    silent = ordered(1)[3]

    def perform(_effect: Charge, effect_id: str) -> None:
        asked.append(effect_id)
        if silent in effect_id:
            raise UnavailableError("away")

    keys = ordered(2)
    requests = [example_of(AuthorizePayment).model_copy(update={"paymentId": key, "meta": None}) for key in keys]
    # A request and an answer each, but one.
    lived(ground, payments, *requests, decided=2 * len(keys) - 1, perform={Charge: perform})
    calls = len(asked)
    found = compared(ground, payments)
    assert verdicts(found) == {"same": len(keys)}, found
    assert len(asked) == calls


@pytest.mark.connected
def test_deadlines_come_out_as_they_did(ground: Ground) -> None:
    # Each rings a moment after it was set.
    lived(ground, alarm, *(create(number, total=50 + number) for number in range(1, 9)), decided=16)
    assert verdicts(compared(ground, alarm)) == {"same": 8}


@pytest.mark.connected
def test_messages_that_waited_come_out_as_they_did(ground: Ground) -> None:
    ground.make_topics(shop)
    engine = ground.engine(shop)
    opens = int(time.time() * 1000) + 3_000
    with running(engine):
        ground.publish(*(create(number, total=opens) for number in range(1, 9)), create(1, total=opens + 1))
        until(lambda: engine.counters.unparked == 9, engine)
    assert engine.counters.parked == 9
    assert verdicts(compared(ground, shop)) == {"same": 8}


@pytest.mark.connected
def test_two_services_that_talk_to_each_other_come_out_as_they_did(ground: Ground) -> None:
    ground.make_topics(order_service, clerk)
    engines = [ground.engine(order_service), ground.engine(clerk)]
    with running(*engines):
        ground.publish(*(create(number, total=2) for number in range(1, 9)))
        until(lambda: engines[1].counters.decided == 16, *engines)
    for service in (order_service, clerk):
        counts = verdicts(compared(ground, service))
        assert sum(counts.values()) == counts.get("same", 0) + counts.get("reordered", 0) == 8, service.name
    assert {entry.state for entry in ground.entries(clerk).values() if entry} == {Seen(1, 1)}
    assert id_of(1) in ground.entries(clerk)


@pytest.mark.connected
def test_a_service_that_never_ran_here_has_nothing_to_be_rebuilt(ground: Ground) -> None:
    with site_of(ground, counter("unheard-of")) as site, pytest.raises(RebuildError, match="not there; has"):
        site.numbers(None)
