from agents.catalogue import SERVICES
from ops.demo.poison import Spot, poison, spots, violations
from ops.demo.reader import DeadLetter
from schemas.examples import example_of
from schemas.orders import CancelOrder
from streams.codec import Codec, Undecodable
from streams.producer import Place
from streams.testing.registry import MemoryRegistry

ENVIRONMENT = "demo"
SPOT = Spot("orders", "orders.demo.commands", 2, 7)
CAUSE = "UNREADABLE: it ends too soon"


def test_every_piece_of_poison_is_unreadable_in_a_way_of_its_own() -> None:
    codec = Codec(MemoryRegistry(), ENVIRONMENT)
    read = [codec.decode(each.value) for each in poison(codec, ENVIRONMENT)]
    reasons = {each.reason for each in read if isinstance(each, Undecodable)}
    assert len(reasons) == len(read)


def test_poison_ends_with_every_service_that_reads_its_topic() -> None:
    codec = Codec(MemoryRegistry(), ENVIRONMENT)
    sent = poison(codec, ENVIRONMENT)
    found = spots(sent, [Place(1, number) for number in range(len(sent))], SERVICES, ENVIRONMENT)
    orders = [spot for spot in found if spot.topic == "orders.demo.commands"]
    assert orders == [Spot("orders", "orders.demo.commands", 1, 2)]
    assert {spot.topic for spot in found} == {record.topic for record in sent}, "some of it nobody would notice"


def test_poison_in_its_dead_letters_is_as_it_should_be() -> None:
    assert list(violations({SPOT}, [DeadLetter(*SPOT, CAUSE, None)])) == []


def test_poison_that_is_in_no_dead_letters_is_a_violation() -> None:
    assert list(violations({SPOT}, [])) == ["orders, orders.demo.commands[2]@7: poison that is in no dead letters"]


def test_a_dead_letter_that_is_no_poison_is_a_violation() -> None:
    letter = DeadLetter(*SPOT, "a bug", example_of(CancelOrder))
    assert list(violations(set(), [letter])) == [
        "orders, orders.demo.commands[2]@7: CancelOrder in the dead letters that are no poison: a bug"
    ]
