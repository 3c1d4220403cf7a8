"""What a decider says: the new state, what to send, when to be woken."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from schemas.message import Message

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Wake:
    """A deadline that a decision set has passed. It reaches the decider like any other message."""

    #: Millis; the `timer` of the decision that set it.
    deadline: int


@dataclass(frozen=True, slots=True)
class Decision(Generic[S]):
    """One atomic step of one key."""

    #: None forgets the key: what it absorbed is forgotten too, so keep it for longer than a repeat can be late.
    state: S | None
    #: Published in this order, each on its topic, keyed by its own key field.
    sends: tuple[Message, ...] = ()
    #: Millis at which to be woken; None for not at all. Each decision sets it anew.
    timer: int | None = None
