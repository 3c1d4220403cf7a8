"""A key folded again from its records: no output leaves, no effect is asked for, and no clock runs.

What it asked of the outside is known by ids that count the decisions of its partition, which nobody can count again.
So each decision that asks for effects is given the number that it had: those numbers stand in the outcomes, and in what
the changelog still waits for, in the order in which they were given.
"""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

from msgspec.structs import replace

from ops.rebuild.site import RebuildError
from streams.decision import Later, Wake
from streams.kafka.wire import Wire
from streams.service import Service
from streams.step import Arrival, Entry, Refusal, absorb


class Told(NamedTuple):
    """What is known of a key."""

    entry: Entry[Any] | None = None
    #: How many of the decisions that asked for effects have got their number.
    asked: int = 0


class Mute(Wire):
    """Nothing that it makes is sent."""

    def dead_letter(self, arrival: Arrival, refusal: Refusal) -> Any:  # noqa: ARG002 - it is there already
        return None


class Refold:
    """Of one partition."""

    def __init__(self, service: Service[Any, Any], wire: Wire, turns: Mapping[str, Sequence[int]]) -> None:
        """`turns`: by key, of its decisions that asked for effects, in order."""
        self._service = service
        self._wire = wire
        self._turns = turns
        self._numbers = count(1)

    def after(self, told: Told, arrival: Arrival) -> Told:
        """Raises RebuildError where the record can't be read now."""
        before: Entry[Any] = told.entry or Entry()
        message = arrival.message
        if isinstance(message, Later):
            raise RebuildError(f"{arrival.topic}@{arrival.offset} can't be read now: {message.reason}")
        if isinstance(message, Wake) and before.parked and message.deadline not in (before.timer, before.expires):
            # When to try again was said by a clock.
            before = replace(before, retry_at=message.deadline)
        step = absorb(self._service, self._wire, before, arrival, arrival.at, self._numbers)
        if step is None:
            return told
        entry = step.entry
        if told.entry is None and entry is not None and entry.state is None and not entry.parked:
            entry = None  # it is no key yet
        return Told(None, told.asked) if entry is None else self._numbered(arrival.key, before, entry, told.asked)

    def _numbered(self, key: str, before: Entry[Any], after: Entry[Any], asked: int) -> Told:
        fresh = {turn_of(effect_id) for effect_id in after.pending.keys() - before.pending.keys()}
        if not fresh:
            return Told(after, asked)
        known = self._turns.get(key, ())
        # Where no number is left, nobody was ever answered.
        became = dict(zip(sorted(fresh), known[asked:], strict=False))
        pending = {
            effect_id if effect_id in before.pending else _with_turn(effect_id, became): effect
            for effect_id, effect in after.pending.items()
        }
        return Told(replace(after, pending=pending), asked + len(fresh))


def turn_of(effect_id: str) -> int:
    """Which decision of its partition asked for it."""
    return int(effect_id.rsplit("/", 2)[1])


def _with_turn(effect_id: str, became: Mapping[int, int]) -> str:
    decider, turn, ordinal = effect_id.rsplit("/", 2)
    return f"{decider}/{became.get(int(turn), turn)}/{ordinal}"
