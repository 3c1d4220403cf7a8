"""A morning in the shop, on the twin: real services, crashes, repeats, and all that was said."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import cache
from operator import attrgetter
from typing import Any, get_args

from agents.catalogue import SERVICES
from agents.payments.gateway import Effect
from ops.gateway.hosting import POLICY
from ops.gateway.ledger import Ledger
from ops.gateway.simulated import SimulatedGateway
from ops.simulation.trial import BEGINS_AT, Trial
from projections.folds.fold import Model, Place, Row
from schemas.message import Message
from schemas.topics import PARTITIONS, Topic
from streams.memory.task import Slowly
from streams.memory.twin import Twin, by_chance
from streams.partitioner import partition_of

HOURS = 3_600_000


@cache
def morning(seed: int, customers: int = 60) -> Twin:
    trial = Trial(seed=seed, count=customers)
    load = trial.load()
    with closing(Ledger()) as ledger:
        gateway = SimulatedGateway(ledger, trial.behaviour(), answer=Slowly, clock=lambda: twin.now)
        kinds = get_args(Effect)
        twin = Twin(
            SERVICES,
            seed=seed,
            crash=by_chance(seed, 500),
            perform=dict.fromkeys(kinds, gateway.perform),
            policies=dict.fromkeys(kinds, POLICY),
        )
        twin.advance(BEGINS_AT)
        for message in load.shop():
            twin.publish(message)
        twin.run(until=twin.now)
        for sent in sorted((sent for shopper in load.shoppers() for sent in shopper.sent), key=attrgetter("after")):
            twin.run(until=BEGINS_AT + sent.after)
            twin.publish(sent.message)
        twin.run(until=twin.now + HOURS)
    return twin


def said(twin: Twin, topic: Topic) -> Iterator[tuple[Place, Message]]:
    """In the order of each partition, one partition after another."""
    ends = [0] * PARTITIONS
    for key, at, message, _ in twin.records(topic):
        partition = partition_of(key.encode(), PARTITIONS)
        if isinstance(message, Message):
            yield Place(topic.domain, partition, ends[partition], at), message
        ends[partition] += 1


def folded(model: Model, told: Iterator[tuple[Place, Message]]) -> Mapping[tuple[int, str], Any]:
    """By the number of the fold and the subject."""
    objects: dict[tuple[int, str], Any] = {}
    for place, message in told:
        for number, fold in enumerate(model.folds):
            if isinstance(message, fold.messages):
                key = number, fold.subject(message)
                objects[key] = fold.fold(objects.get(key), message, place)
    return objects


def rows(model: Model, told: Iterator[tuple[Place, Message]]) -> list[Row]:
    return [row for (number, _), each in folded(model, told).items() for row in model.folds[number].rows(each)]


def all_said(twin: Twin, model: Model) -> Iterator[tuple[Place, Message]]:
    for topic in model.topics:
        yield from said(twin, topic)
