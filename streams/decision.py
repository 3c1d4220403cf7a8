"""What a decider says: the new state, what to send, when to be woken, what to ask of the outside."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from schemas.message import Message

S = TypeVar("S")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class Wake:
    """A deadline that a decision set has passed. It reaches the decider like any other message."""

    #: Millis; the `timer` of the decision that set it.
    deadline: int


@dataclass(frozen=True, slots=True)
class Performed(Generic[Outcome]):
    """What came of an effect that a decision asked for. It reaches the decider like any other message.

    A decider says which outcomes it takes, and so what performers may return: `Performed[Charged | Refused | None]`.
    """

    #: The idempotency key under which the outside was asked; the same again after a crash.
    effect_id: str
    #: As its performer returned it.
    outcome: Outcome


class Decision(msgspec.Struct, Generic[S], frozen=True, gc=False):
    """One atomic step of one key. A struct, because every message makes one."""

    #: None forgets the key: what it absorbed is forgotten too, so keep it for longer than a repeat can be late.
    state: S | None
    #: Published in this order, each on its topic, keyed by its own key field.
    sends: tuple[Message, ...] = ()
    #: Millis at which to be woken; None for not at all. Each decision sets it anew.
    timer: int | None = None
    #: Calls to the outside, as values of types that the service declares: run once the state is safe, with a
    #: deterministic id, and again after a crash until the outcome is absorbed.
    effects: tuple[Any, ...] = ()
    #: Millis at which the key is forgotten without asking; None for never. Each decision sets it anew. It is how a
    #: finished key stays for as long as repeats may come, and no longer.
    expires: int | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """Instead of a decision: it can't be made yet, and the cause will pass.

    The message waits, all others of its key wait behind it in order, and it is tried again, later and later; other
    keys flow.
    """

    reason: str
