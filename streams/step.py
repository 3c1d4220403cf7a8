"""One record meets one key: the pure heart of the engine, the same on Kafka and in the twin.

A record is absorbed at most once per key: by its offset, and, where sender and receiver share the key, by the sender's
own decision number, which stays the same when a sender publishes again after a crash. That number is compared per
topic: two topics are read in any order, so a later decision heard on one says nothing about an earlier one on another.
"""

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

from schemas.message import Message, Meta
from streams.decision import Decision, Performed, Wake
from streams.service import Service

S = TypeVar("S")

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Arrival(NamedTuple):
    """A record that reached its key, decoded."""

    topic: str
    offset: int
    key: str
    #: Its time, in millis: what a decider takes for now.
    at: int
    message: Message | Wake | Performed[Any]


class Parked(NamedTuple):
    """A record that waits behind one of its key that can't be decided yet."""

    topic: str
    offset: int
    #: Its time, in millis.
    at: int
    #: As it lies on the log; None is a tombstone.
    value: Any
    headers: tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class Entry(Generic[S]):
    """What is kept of a key."""

    #: The number of the last decision, which names its outputs. It starts at the time of the first record, not at 1:
    #: a key that was forgotten and comes back must not use the numbers again that its neighbours have heard.
    version: int = 0
    state: S | None = None
    timer: int | None = None
    #: Input topic -> the last offset absorbed.
    absorbed: Mapping[str, int] = field(default_factory=dict)
    #: Input topic -> sender -> the last (decision, ordinal) of that sender for this very key.
    heard: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)
    #: Effects that were asked for and not answered: by id, to be asked for again after a crash.
    pending: Mapping[str, Any] = field(default_factory=dict)
    #: The envelope of the last message absorbed: a wake-up has none, yet belongs to the same conversation and trace.
    origin: Meta | None = None
    #: Millis at which the key is forgotten; None for never.
    expires: int | None = None
    #: In the order in which they came, the first being the one that can't be decided yet.
    parked: tuple[Parked, ...] = ()
    #: Millis at which the first of them is tried again, and how often it was.
    retry_at: int | None = None
    attempts: int = 0

    @property
    def due(self) -> int | None:
        """Millis at which something has to happen to the key by itself."""
        return min((at for at in (self.timer, self.expires, self.retry_at) if at is not None), default=None)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a record goes to the dead-letter topic instead of changing the state."""

    cause: str
    detail: str


@dataclass(frozen=True, slots=True)
class Step(Generic[S]):
    """A decision with all that makes it safe to repeat; one changelog record commits it."""

    entry: Entry[S]
    sends: tuple[Message, ...] = ()
    refusal: Refusal | None = None


def absorb(service: Service[S, Any], entry: Entry[S], arrival: Arrival) -> Step[S] | None:
    """Decide, or None where the record was absorbed before or answers nothing that is open. Never raises."""
    if arrival.offset <= entry.absorbed.get(arrival.topic, -1):
        return None
    message = arrival.message
    if isinstance(message, Message):
        origin, sender = message.meta, _sender(message.meta, arrival.key)
    elif _open(entry, message):
        origin, sender = entry.origin, None
    else:
        return None
    if sender is not None and sender.place <= entry.heard.get(arrival.topic, _NOTHING).get(sender.name, (0, 0)):
        return None
    absorbed = {**entry.absorbed, arrival.topic: arrival.offset}
    heard = entry.heard
    if sender is not None:
        heard = {**heard, arrival.topic: {**heard.get(arrival.topic, _NOTHING), sender.name: sender.place}}
    version = entry.version + 1 if entry.version else max(arrival.at, 1)
    decision_id = f"{service.name}/{arrival.key}/{version}"
    moved = replace(entry, version=version, absorbed=absorbed, heard=heard, origin=origin)
    try:
        decision = service.decide(entry.state, message, arrival.at)
        _check(service, decision)
    except Exception as error:  # noqa: BLE001 - any bug of a decider is a dead letter; the partition goes on
        return Step(moved, refusal=Refusal(f"{type(error).__name__}: {error}", traceback.format_exc()))
    pending = {effect_id: effect for effect_id, effect in entry.pending.items() if not _answers(message, effect_id)}
    pending |= {f"{decision_id}/effect-{ordinal}": effect for ordinal, effect in enumerate(decision.effects, start=1)}
    moved = replace(moved, state=decision.state, timer=decision.timer, pending=pending)
    return Step(moved, _addressed(decision_id, origin, decision.sends))


def _open(entry: Entry[Any], message: Wake | Performed[Any]) -> bool:
    """Whether the key still waits for it: not where the timer was moved since, or the effect answered."""
    if isinstance(message, Wake):
        return message.deadline == entry.timer
    return message.effect_id in entry.pending


def _answers(message: Message | Wake | Performed[Any], effect_id: str) -> bool:
    return isinstance(message, Performed) and message.effect_id == effect_id


class _Sender(NamedTuple):
    name: str
    #: The sender's decision about this key, and which of its outputs.
    place: tuple[int, int]


def _sender(meta: Meta | None, key: str) -> _Sender | None:
    """Who decided to send this, if it was one of us about this very key: then its number tells a repeat."""
    if meta is None:
        return None
    match meta.messageId.split("/"):
        case [name, about, version, ordinal] if about == key and version.isdecimal() and ordinal.isdecimal():
            return _Sender(name, (int(version), int(ordinal)))
    return None


def _check(service: Service[S, Any], decision: Decision[S]) -> None:
    if decision.timer is not None and not service.wakes:
        raise TypeError(f"{service.name} sets a timer, but its decider takes no Wake")
    for effect in decision.effects:
        if type(effect) not in service.effects:
            raise TypeError(f"{service.name} asks for {type(effect).__name__}, which its declaration does not list")
    for message in decision.sends:
        if type(message) not in service.sends:
            raise TypeError(f"{service.name} sends {type(message).__name__}, which its declaration does not list")
        if message.record_key is None:
            raise TypeError(f"{type(message).__name__}.{message.contract.key} is its record key and must be set")


def _addressed(decision_id: str, origin: Meta | None, sends: tuple[Message, ...]) -> tuple[Message, ...]:
    """The outputs with their envelope: an id that is the same again after a crash, and where they come from."""
    return tuple(
        message.model_copy(
            update={
                "meta": Meta(
                    messageId=f"{decision_id}/{ordinal}",
                    causationId=origin.messageId if origin else None,
                    correlationId=(origin.correlationId or origin.messageId) if origin else None,
                    traceparent=origin.traceparent if origin else None,
                )
            }
        )
        for ordinal, message in enumerate(sends, start=1)
    )
