"""Where a process of the engine on Kafka can die: before or after each step of a round, a recovery, a call."""

import functools
import inspect
import os
from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

from streams.kafka.coordinator import Coordinator
from streams.kafka.owner import Owner
from streams.kafka.performer import Performer
from streams.kafka.plane import Plane
from streams.kafka.restorer import Restorer

#: As after a kill -9: nothing is flushed, no destructor runs, no group is left.
EXIT_CODE = 9


def _always(*_: Any) -> bool:
    return True


def _decides(_owner: Any, round_: Any) -> bool:
    return bool(round_.commits)


def _of_decisions(_owner: Any, _records: Any, underway: Any) -> bool:
    return underway is not None


def _marker(owner: Any, _records: Any, underway: Any) -> bool:
    # Died of before it was sent, the moment would be none.
    return underway is None and owner._producer.flush() == 0  # noqa: SLF001 - the engine has no business with crashes


def _owes(_owner: Any, underway: Any) -> bool:
    return bool(underway.round.outputs)


def _changed(_owner: Any, underway: Any) -> bool:
    return bool(underway.round.commits)


class _Cut(NamedTuple):
    place: type
    method: str
    after: bool
    #: The calls that count: a new owner's first round, for one, may be empty.
    counts: Callable[..., bool] = _always


class Moment(Enum):
    """The first time that a worker comes here it dies."""

    FOLDED = _Cut(Restorer, "_claim", after=False)
    CLAIMED = _Cut(Plane, "_own_it", after=False)
    OWNED = _Cut(Plane, "_own_it", after=True)
    DECIDED = _Cut(Owner, "_begin", after=False, counts=_decides)
    #: What is handed to the producer may still reach the broker, or not.
    CHANGELOG_WRITTEN = _Cut(Owner, "_write", after=True, counts=_of_decisions)
    CHANGELOG_ACKNOWLEDGED = _Cut(Owner, "_publish", after=False, counts=_changed)
    PUBLISHED = _Cut(Owner, "_publish", after=True, counts=_owes)
    OUTPUTS_ACKNOWLEDGED = _Cut(Owner, "_settle", after=False, counts=_owes)
    PAID = _Cut(Owner, "_settle", after=True, counts=_changed)
    MARKED = _Cut(Owner, "_write", after=True, counts=_marker)
    COMMITTED = _Cut(Coordinator, "commit", after=True)
    ASKED = _Cut(Performer, "submit", after=True)
    ANSWERED = _Cut(Plane, "_tell_itself", after=False)
    TOLD = _Cut(Plane, "_tell_itself", after=True)

    def __str__(self) -> str:
        return self.name.lower().replace("_", " ")


def arm(moment: Moment) -> None:
    """From now on this process dies there."""
    place, method, after, counts = moment.value
    original = getattr(place, method)

    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def cut_later(*args: Any) -> Any:
            await original(*args)
            os._exit(EXIT_CODE)

        setattr(place, method, cut_later)
        return

    @functools.wraps(original)
    def cut(*args: Any) -> Any:
        if not after and counts(*args):
            os._exit(EXIT_CODE)
        result = original(*args)
        if after and counts(*args):
            os._exit(EXIT_CODE)
        return result

    setattr(place, method, cut)
