"""Records that can't be decided, on Kafka: each is a dead letter with all that is known of it, and the others flow."""

from typing import NamedTuple

import pytest

from ops.stack import Addresses
from schemas.message import Meta
from schemas.orders import CancellationReason, CancelOrder, ConfirmOrder, OrderConfirmed
from schemas.topics import ORDERS_COMMANDS, ORDERS_EVENTS
from streams.decision import Decision
from streams.kafka.wire import DEAD_LETTER, FORWARDED
from streams.service import Service
from tests.streams.kafka.counting import Count
from tests.streams.kafka.counting import decide as count
from tests.streams.kafka.engines import Ground, confirm, orders, running, until

pytestmark = pytest.mark.connected

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def decide(state: Count | None, message: ConfirmOrder, at: int) -> Decision[Count]:
    match message.inventoryReservationId:
        case "bug":
            raise ZeroDivisionError("nobody divides by nothing")
        case "large output":
            sent = OrderConfirmed(
                orderId=message.orderId,
                customerId=message.orderId,
                confirmationNumber="ORD-00000001",
                inventoryReservationId="x" * 1_100_000,
                total=1,
                currency="EUR",
                confirmedAt=at,
            )
            return Decision(state or Count(), sends=(sent,))
        case "large state":
            return Decision(Count(total="x" * 5_000_000))  # type: ignore[arg-type]  # a bug, too
        case "no state":
            return Decision(Count(total=2**70))
        case _:
            return count(state, message, at)


touchy = Service(name="touchy", state=Count, decide=decide, sends=(OrderConfirmed,))


@pytest.fixture
def ground(stack: Addresses, unique: str) -> Ground:
    ground = Ground(stack.kafka, unique)
    ground.make_topics(touchy)
    return ground


class Bad(NamedTuple):
    """A record, and what is said of it."""

    value: bytes | None
    cause: str
    detail: str
    key: bytes | None
    trace: bytes | None = None


def test_what_cannot_be_decided_is_a_dead_letter_with_its_cause_and_place_and_the_partition_goes_on(
    ground: Ground,
) -> None:
    order = next(orders(0))
    key, write = order.encode(), ground.codec.encode
    meta = Meta(messageId="m-1", traceparent=TRACE)
    bug, large, invalid = (
        write(confirm(order, "bug", meta)),
        write(confirm(order, "large output", meta)),
        write(ConfirmOrder.model_construct(orderId="no uuid")),
    )
    contract, ours = "does not match the contract", write(confirm(order))
    bad = [
        Bad(b"\x01garbage", "wrong magic byte", "1 where Confluent's framing has 0", key),
        Bad(b"\x01" * 1_040_000, "wrong magic byte", "1 where", key),
        Bad(b"\0", "truncated", "1 bytes, and the framing alone takes 5", key),
        Bad(b"\0\0\x0f\xff\xff\xff", "unknown schema id", "the registry has no schema 268435455"[:27], key),
        Bad(
            bug,
            "ZeroDivisionError: nobody divides by nothing",
            "Traceback (most recent call last)",
            key,
            TRACE.encode(),
        ),
        Bad(large, "TooLargeError", "more than a record may", key, TRACE.encode()),
        Bad(invalid, contract, "orderId", key),
        Bad(ours, contract, "it has no key", None),
        Bad(ours, contract, "not UTF-8", b"\xff\xfe"),
    ]
    ground.publish(confirm(order))
    for each in bad:
        ground.put(ORDERS_COMMANDS, each.value, each.key, partition=0, headers={"who": b"somebody"})
    # Of these nobody says anything: a message of the contract that the service doesn't take, and a tombstone.
    ground.publish(CancelOrder(orderId=order, reason=CancellationReason.CUSTOMER_REQUESTED))
    ground.put(ORDERS_COMMANDS, None, key)
    ground.publish(confirm(order))

    engine = ground.engine(touchy)
    with running(engine):
        until(lambda: ground.committed(touchy, ORDERS_COMMANDS)[0][0] == len(bad) + 4, engine)

    letters = ground.dead_letters(touchy)
    assert [(each.key, each.value) for each in letters] == [(each.key, each.value) for each in bad]
    for offset, (letter, each) in enumerate(zip(letters, bad, strict=True), start=1):
        said = {name.removeprefix(DEAD_LETTER): value or b"" for name, value in letter.headers.items()}
        assert said.pop("cause").decode().startswith(each.cause)
        assert each.detail in said.pop("detail").decode()
        assert said.pop("timestamp").isdigit()
        assert said.pop("trace", None) == each.trace
        assert said == {
            "who": b"somebody",
            "service": b"touchy",
            "topic": ORDERS_COMMANDS.name(ground.environment).encode(),
            "partition": b"0",
            "offset": str(offset).encode(),
            "attempts": b"1",
        }
    entry = ground.entries(touchy)[order]
    assert entry is not None
    assert entry.state == Count(2, 2)
    assert engine.counters.skipped == 2
    assert sum(engine.counters.dead_letters.values()) == len(bad)


@pytest.mark.parametrize(("bug", "cause"), [("large state", b"TooLargeError"), ("no state", b"StateError")])
def test_a_state_that_no_record_can_hold_is_a_dead_letter_too(ground: Ground, bug: str, cause: bytes) -> None:
    order = next(orders(0))
    ground.publish(confirm(order), confirm(order, bug), confirm(order))
    engine = ground.engine(touchy)
    with running(engine):
        until(lambda: ground.committed(touchy, ORDERS_COMMANDS)[0][0] == 3, engine)
    [letter] = ground.dead_letters(touchy)
    assert (letter.headers[DEAD_LETTER + "cause"] or b"").startswith(cause)
    entry = ground.entries(touchy)[order]
    assert entry is not None
    assert entry.state == Count(2, 2)


def test_more_outputs_of_one_key_than_a_record_can_owe_are_paid_bit_by_bit(ground: Ground) -> None:
    """What a key owes stands in one changelog record, and a busy key is no reason to stop."""
    order, number = next(orders(0)), 20_000
    ground.publish(*[confirm(order)] * number)
    engine = ground.engine(touchy)
    with running(engine):
        until(lambda: ground.committed(touchy, ORDERS_COMMANDS)[0][0] == number, engine)
    assert [each.confirmationNumber for each in ground.messages(ORDERS_EVENTS)] == [
        f"ORD-{each:08d}" for each in range(1, number + 1)
    ]


def test_what_lies_on_a_wrong_partition_is_moved_to_its_own_once(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    order = next(orders(1))
    name = ORDERS_COMMANDS.name(ground.environment)
    value, key = ground.codec.encode(confirm(order)), order.encode()
    ground.put(ORDERS_COMMANDS, value, key, partition=0, headers={"who": b"somebody"})
    ground.flush()
    engine = ground.engine(touchy)
    with running(engine):
        until(lambda: ground.committed(touchy, ORDERS_COMMANDS)[1][0] == 1, engine)
        until(lambda: ground.committed(touchy, ORDERS_COMMANDS)[0][0] == 1, engine)
    [moved] = [each for each in ground.read(ORDERS_COMMANDS) if each.partition == 1]
    assert (moved.key, moved.value) == (key, value)
    assert moved.headers == {"who": b"somebody", FORWARDED: b"0@0"}
    assert [each.confirmationNumber for each in ground.messages(ORDERS_EVENTS)] == ["ORD-00000001"]
    assert engine.counters.forwarded == {name: 1}
    assert f"{name}[0]@0: key {key!r} belongs to partition 1, and is moved there" in caplog.text
    assert ground.dead_letters(touchy) == []


def test_what_was_moved_and_still_lies_on_a_wrong_partition_is_a_dead_letter(ground: Ground) -> None:
    order = next(orders(1))
    value = ground.codec.encode(confirm(order))
    ground.put(ORDERS_COMMANDS, value, order.encode(), partition=0, headers={FORWARDED: b"3@7"})
    ground.flush()
    engine = ground.engine(touchy)
    with running(engine):
        until(lambda: ground.committed(touchy, ORDERS_COMMANDS)[0][0] == 1, engine)
    [letter] = ground.dead_letters(touchy)
    assert (letter.partition, letter.key, letter.value) == (0, order.encode(), value)
    assert letter.headers[FORWARDED] == b"3@7"
    assert b"was moved once" in (letter.headers[DEAD_LETTER + "detail"] or b"")
    assert len(ground.read(ORDERS_COMMANDS)) == 1
    assert ground.messages(ORDERS_EVENTS) == []
