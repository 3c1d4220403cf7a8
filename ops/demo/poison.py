"""What no service can read, and where each piece of it must end: with every service that reads its topic."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from ops.demo.reader import DeadLetter
from schemas.examples import example_of
from schemas.orders import CancelOrder
from schemas.payments import VoidPayment
from schemas.topics import CARTS_EVENTS, CHECKOUT_EVENTS, ORDERS_COMMANDS, PAYMENTS_COMMANDS
from streams.codec import Codec
from streams.producer import Outgoing, Place
from streams.service import Service

#: Schema ids count up from 1.
_NOBODYS_SCHEMA = (2**31 - 1).to_bytes(4)


class Spot(NamedTuple):
    """A record that lies somewhere, and a service that reads there."""

    service: str
    topic: str
    partition: int
    offset: int


def poison(codec: Codec, environment: str) -> list[Outgoing]:
    """One of each kind that a careless producer has come up with."""
    cancel, void = codec.encode(example_of(CancelOrder)), codec.encode(example_of(VoidPayment))
    return [
        Outgoing(CARTS_EVENTS.name(environment), "poison", b'{"cartId": "JSON, which nobody agreed on"}'),
        Outgoing(CHECKOUT_EVENTS.name(environment), "poison", b"\0" + _NOBODYS_SCHEMA + b"whatever it was"),
        Outgoing(ORDERS_COMMANDS.name(environment), "poison", cancel[: len(cancel) // 2]),
        Outgoing(PAYMENTS_COMMANDS.name(environment), "poison", void + b"and more"),
    ]


def spots(
    sent: Iterable[Outgoing], places: Sequence[Place], services: Iterable[Service[Any, Any]], environment: str
) -> set[Spot]:
    """Where it must be found dead."""
    readers = [(service.name, {topic.name(environment) for topic in service.topics}) for service in services]
    return {
        Spot(service, record.topic, *place)
        for record, place in zip(sent, places, strict=True)
        for service, topics in readers
        if record.topic in topics
    }


def violations(expected: set[Spot], found: Iterable[DeadLetter]) -> Iterator[str]:
    """The dead letters hold all of the poison, and nothing else."""
    missing = set(expected)
    for letter in found:
        spot = Spot(letter.service, letter.topic, letter.partition, letter.offset)
        missing.discard(spot)
        if spot not in expected:
            what = "bytes" if letter.message is None else type(letter.message).__name__
            yield f"{_text(spot)}: {what} in the dead letters that are no poison: {letter.cause}"
    for spot in sorted(missing):
        yield f"{_text(spot)}: poison that is in no dead letters"


def _text(spot: Spot) -> str:
    return f"{spot.service}, {spot.topic}[{spot.partition}]@{spot.offset}"
