"""One record meets one key: the pure heart of the engine, the same on Kafka and in the twin.

A record is absorbed at most once per key: by its offset, and by its sender's own count, which stays the same when the
sender publishes again after a crash: the decision's turn among all of the sender's partition, since those reach a topic
in the order in which they were decided. It is compared per topic: two topics are read in any order, so what is heard on
one says nothing of an earlier one on another.
"""

import traceback
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from schemas.message import Message, Meta
from streams.codec import Undecodable
from streams.decision import Decision, Later, Performed, Wake
from streams.service import Service

S = TypeVar("S")

_Heard = Mapping[str, Mapping[str, tuple[int, int]]]
_NOTHING: Mapping[str, Any] = MappingProxyType({})
#: What a service hears of its own decisions.
_OWN = (Wake, Performed)

#: Millis between two tries of a message that waits: doubled each time, up to the longest.
FIRST_PAUSE, LONGEST_PAUSE = 100, 60_000
#: So many messages of one key may wait; the state of a key is written as a whole, so they can't be without number.
MOST_PARKED = 100


class Arrival(NamedTuple):
    """A record that reached its key."""

    topic: str
    offset: int
    key: str
    #: Its time, in millis: what a decider takes for now.
    at: int
    #: Later: it could not be read yet, and the cause will pass.
    message: Message | Wake | Performed[Any] | Undecodable | Later
    #: The record as it came, for whoever has to keep it: a parked message, a dead letter.
    raw: Any = None


class Parked(NamedTuple):
    """A record that waits, in its key's state, for its turn."""

    topic: str
    offset: int
    at: int
    value: Any
    headers: tuple[tuple[str, bytes | None], ...] = ()
    #: Whether it could be read when it came; if not, whether it is a repeat is still to be seen.
    read: bool = True


class Entry(msgspec.Struct, Generic[S], frozen=True, gc=False):
    """What is kept of a key. A struct, because every record replaces one or two, and that is what a step costs."""

    #: The turn of the last decision, which names its outputs. It counts all decisions of the partition: a key that was
    #: forgotten and comes back must not use a number again that its neighbours have heard.
    version: int = 0
    state: S | None = None
    timer: int | None = None
    #: Input topic -> the last offset absorbed.
    absorbed: Mapping[str, int] = msgspec.field(default_factory=dict)
    #: Input topic -> sender -> the last (turn, ordinal) that was heard of it.
    heard: _Heard = msgspec.field(default_factory=dict)
    #: Effects that were asked for and not answered: by id, to be asked for again after a crash.
    pending: Mapping[str, Any] = msgspec.field(default_factory=dict)
    #: The envelope of the last message absorbed: a wake-up has none, yet belongs to the same conversation and trace.
    origin: Meta | None = None
    #: Millis at which the key is forgotten; None for never.
    expires: int | None = None
    #: Messages that could not be decided yet, in order; the first is tried again at `retry_at`.
    parked: tuple[Parked, ...] = ()
    retry_at: int | None = None
    #: How often the first of them was tried.
    attempts: int = 0

    @property
    def due(self) -> int | None:
        """When something has to happen to the key if nothing else does before. Where a message waits, deadlines do."""
        if self.parked:
            return self.retry_at
        timer, expires = self.timer, self.expires
        if timer is None or expires is None:  # most keys, and each is asked at each of its decisions
            return expires if timer is None else timer
        return min(timer, expires)


class Refusal(NamedTuple):
    """Why a record goes to the dead-letter topic instead of changing the state."""

    cause: str
    detail: str
    attempts: int = 1


#: The fields of the meta of an output: an id that is the same again after a crash, and where it comes from.
Envelope = dict[str, str | None]

#: Tells of a decision: what met its key, the decision's number, the trace that it belongs to, and what it sends.
#: Returns the traceparent of its outputs.
Follow = Callable[["Arrival", int, str | None, tuple[Message, ...]], str | None]


class Wire(Protocol):
    """How messages become records, and records come back from where they waited."""

    @property
    def follow(self) -> Follow | None:
        """None where nobody follows the decisions: their outputs carry on the trace of their cause."""

    def output(self, message: Message, envelope: Envelope) -> Any:
        """A record to be sent. Raises for what its readers could not understand."""

    def dead_letter(self, arrival: Arrival, refusal: Refusal) -> Any:
        """A record to be sent."""

    def parked(self, arrival: Arrival) -> Parked: ...

    def revived(self, key: str, parked: Parked) -> Arrival: ...

    def check(self, key: str, entry: Entry[Any] | None, outputs: tuple[Any, ...]) -> None:
        """Raises for what can't be written, or is more than one record of the changelog holds."""

    def size(self, output: Any) -> int:
        """How much of such a record it takes while it is owed."""

    def partition_of(self, key: str) -> int:
        """Where its sender decides about another key."""


class Step(msgspec.Struct, Generic[S], frozen=True, gc=False):
    """A decision with all that makes it safe to repeat; one changelog record commits it."""

    #: None forgets the key.
    entry: Entry[S] | None
    outputs: tuple[Any, ...] = ()
    #: Why what it was asked to absorb is a dead letter now.
    refusals: tuple[Refusal, ...] = ()


def absorb(
    service: Service[S, Any], wire: Wire, entry: Entry[S], arrival: Arrival, now: int, turns: Iterator[int]
) -> Step[S] | None:
    """Decide, or None where the record was absorbed before or answers nothing that is open. Never raises.

    `turns`: numbers for the decisions of this partition, each above all that it ever gave.
    """
    message = arrival.message
    if isinstance(message, Undecodable):
        # Nothing is noted of it: a repeat is one more dead letter, under the same name. So it is refused again even
        # where a later record of its topic was absorbed, since nobody owes the first dead letter after a crash.
        return _decide(service, wire, entry, arrival, turns)
    if arrival.offset <= entry.absorbed.get(arrival.topic, -1):
        return None
    heard = _hear(wire, entry.heard, arrival.topic, arrival.key, message)
    if heard is None:
        return None
    if isinstance(message, _OWN) and not _open(entry, message):
        return None
    noted = replace(entry, absorbed={**entry.absorbed, arrival.topic: arrival.offset}, heard=heard)
    if entry.parked:
        if isinstance(message, Wake):
            return _retry(service, wire, noted, arrival, now, turns)
        return _park(wire, noted, arrival)
    if isinstance(message, Wake) and message.deadline == entry.expires != entry.timer:
        return Step(None)
    step = _decide(service, wire, noted, arrival, turns)
    if step is None:
        return Step(replace(noted, parked=(wire.parked(arrival),), retry_at=now + _pause(1), attempts=1))
    return step


def _retry(
    service: Service[S, Any], wire: Wire, entry: Entry[S], wake: Arrival, now: int, turns: Iterator[int]
) -> Step[S]:
    """Try those that wait, in order, until one has to wait on."""
    step: Step[S] = Step(replace(entry, parked=(), retry_at=None, attempts=0))
    for number, parked in enumerate(entry.parked):
        before = step.entry or Entry()
        attempts = entry.attempts + 1 if number == 0 else 1
        arrival = wire.revived(wake.key, parked)._replace(at=max(parked.at, wake.at))
        if not parked.read:
            heard = _hear(wire, before.heard, parked.topic, wake.key, arrival.message)
            if heard is None:
                continue
            before = replace(before, heard=heard)
        decided = _decide(service, wire, before, arrival, turns, attempts)
        if decided is None:
            waiting = replace(before, parked=entry.parked[number:], retry_at=now + _pause(attempts), attempts=attempts)
            return replace(step, entry=waiting)
        step = Step(decided.entry, step.outputs + decided.outputs, step.refusals + decided.refusals)
    return step


def _park(wire: Wire, entry: Entry[S], arrival: Arrival) -> Step[S]:
    detail = f"{MOST_PARKED} messages of {arrival.key} wait for the first of them already"
    if len(entry.parked) < MOST_PARKED:
        waiting = replace(entry, parked=(*entry.parked, wire.parked(arrival)))
        try:
            wire.check(arrival.key, waiting, ())
        except ValueError as error:
            detail = str(error)
        else:
            return Step(waiting)
    refusal = Refusal("too many wait", detail)
    return Step(entry, (wire.dead_letter(arrival, refusal),), (refusal,))


def _pause(attempts: int) -> int:
    return min(FIRST_PAUSE << min(attempts - 1, 20), LONGEST_PAUSE)


def _decide(
    service: Service[S, Any],
    wire: Wire,
    entry: Entry[S],
    arrival: Arrival,
    turns: Iterator[int],
    attempts: int = 1,
) -> Step[S] | None:
    """None: not yet."""
    message = arrival.message
    if isinstance(message, Later):
        return None
    if isinstance(message, Undecodable):
        refusal = Refusal(message.reason, message.detail, attempts)
        return Step(entry, (wire.dead_letter(arrival, refusal),), (refusal,))
    if isinstance(message, _OWN) and not _open(entry, message):  # while it waited, the key moved on
        return Step(entry)
    version = next(turns)
    decision_id = f"{service.name}/{arrival.key}/{version}"
    origin = message.meta if isinstance(message, Message) else entry.origin
    try:
        decision = service.decide(entry.state, message, arrival.at)
        if isinstance(decision, Later):
            return None
        _check(service, message, decision)
        trace = origin.traceparent if origin else None
        if (follow := wire.follow) is not None:
            trace = follow(arrival, version, trace, decision.sends)
        outputs = tuple(
            wire.output(sent, _envelope(f"{decision_id}/{ordinal}", origin, trace))
            for ordinal, sent in enumerate(decision.sends, start=1)
        )
        after = _after(replace(entry, version=version, origin=origin), decision_id, message, decision)
        wire.check(arrival.key, after, outputs)
    except Exception as error:  # noqa: BLE001 - any bug of a decider is a dead letter; the partition goes on
        refusal = Refusal(f"{type(error).__name__}: {error}", traceback.format_exc(), attempts)
        moved = replace(entry, version=version, origin=origin)
        return Step(moved, (wire.dead_letter(arrival, refusal),), (refusal,))
    return Step(after, outputs)


def _after(moved: Entry[S], decision_id: str, message: object, decision: Decision[S]) -> Entry[S] | None:
    """What is kept of the key now."""
    if decision.state is None:
        return None
    pending = moved.pending
    if isinstance(message, Performed):
        pending = {effect_id: effect for effect_id, effect in pending.items() if effect_id != message.effect_id}
    if decision.effects:
        asked = enumerate(decision.effects, start=1)
        pending = {**pending} | {f"{decision_id}/effect-{ordinal}": effect for ordinal, effect in asked}
    return replace(moved, state=decision.state, timer=decision.timer, pending=pending, expires=decision.expires)


def _open(entry: Entry[Any], message: Wake | Performed[Any]) -> bool:
    """Whether the key still waits for it: not where the timer was moved since, or the effect answered."""
    if isinstance(message, Wake):
        # A deadline that passes while a message waits comes again once none does, if it still stands then.
        return message.deadline in ((entry.retry_at,) if entry.parked else (entry.timer, entry.expires))
    return message.effect_id in entry.pending


class _Sender(NamedTuple):
    #: With its partition, where it decides about another key.
    name: str
    #: The turn of its decision, and which of its outputs.
    place: tuple[int, int]


def _hear(wire: Wire, heard: _Heard, topic: str, key: str, message: object) -> _Heard | None:
    """What is known of its sender from now on; None if the sender has said this before."""
    sender = _sender(wire, message.meta, key) if isinstance(message, Message) else None
    if sender is None:
        return heard
    known = heard.get(topic, _NOTHING)
    if sender.place <= known.get(sender.name, (0, 0)):
        return None
    return {**heard, topic: {**known, sender.name: sender.place}}


def _sender(wire: Wire, meta: Meta | None, key: str) -> _Sender | None:
    """Who decided to send this, if it was one of us: then its number tells a repeat."""
    if meta is None:
        return None
    match meta.messageId.split("/"):
        case [name, about, turn, ordinal] if turn.isdecimal() and ordinal.isdecimal():
            sender = name if about == key else f"{name}/{wire.partition_of(about)}"
            return _Sender(sender, (int(turn), int(ordinal)))
    return None


def _check(service: Service[S, Any], message: Any, decision: Decision[S]) -> None:
    if decision.timer is not None:
        if not service.wakes:
            raise TypeError(f"{service.name} sets a timer, but its decider takes no Wake")
        if isinstance(message, Wake) and decision.timer <= message.deadline:
            raise ValueError(f"{service.name} was woken at {message.deadline} and asks for {decision.timer} again")
    for effect in decision.effects:
        if type(effect) not in service.effects:
            raise TypeError(f"{service.name} asks for {type(effect).__name__}, which its declaration does not list")
    for sent in decision.sends:
        if type(sent) not in service.sends:
            raise TypeError(f"{service.name} sends {type(sent).__name__}, which its declaration does not list")
        if sent.record_key is None:
            raise TypeError(f"{type(sent).__name__}.{sent.contract.key} is its record key and must be set")


def _envelope(message_id: str, origin: Meta | None, trace: str | None) -> Envelope:
    """What caused an output, the conversation and the trace that it belongs to."""
    return {
        "messageId": message_id,
        "causationId": origin.messageId if origin else None,
        "correlationId": (origin.correlationId or origin.messageId) if origin else None,
        "traceparent": trace,
    }
