"""One key of a service, message by message, without an engine; but all of it comes back from its bytes as it was."""

from typing import Any, Generic, TypeVar

from schemas.message import Message
from streams.codec import Codec
from streams.decision import Decision, Performed, Wake
from streams.own import OwnCodec
from streams.service import Service
from streams.state import StateCodec
from streams.step import Entry
from streams.testing.purity import guarded
from streams.testing.registry import MemoryRegistry

S = TypeVar("S")

START = 1_700_000_000_000
SECOND = 1_000

_MESSAGES = Codec(MemoryRegistry(), "talk")


class Talk(Generic[S]):
    """A second passes before each message; before a wake-up, as long as it takes."""

    def __init__(self, service: Service[S, Any]) -> None:
        self._service = guarded(service)
        self._states, self._own = StateCodec(service), OwnCodec(service)
        self.at = START
        self.state: S | None = None
        #: Whatever was asked of the outside.
        self.effects: list[Any] = []
        #: Of the last decision.
        self.timer: int | None = None
        self.expires: int | None = None

    def hear(self, message: Message | Performed[Any] | Wake) -> tuple[Message, ...]:
        """What is sent because of it."""
        self.at = max(self.at, message.deadline) if isinstance(message, Wake) else self.at + SECOND
        if isinstance(message, Performed):
            assert self._own.decode(self._own.encode(message)) == message
        decision = self._service.decide(self.state, message, self.at)
        assert isinstance(decision, Decision)
        assert {type(each) for each in decision.sends} <= set(self._service.sends)
        assert {type(each) for each in decision.effects} <= set(self._service.effects)
        assert [_MESSAGES.decode(_MESSAGES.encode(each)) for each in decision.sends] == list(decision.sends)
        pending = {str(number): effect for number, effect in enumerate(decision.effects)}
        entry = Entry(state=decision.state, timer=decision.timer, pending=pending, expires=decision.expires)
        assert self._states.decode("key", self._states.encode("key", entry)) == entry
        self.state, self.timer, self.expires = decision.state, decision.timer, decision.expires
        self.effects += decision.effects
        return decision.sends

    def silence(self) -> tuple[Message, ...]:
        """Nobody says anything until its deadline has passed."""
        assert self.timer is not None
        deadline = self.timer
        sent = self.hear(Wake(deadline))
        assert self.timer is None or self.timer > deadline
        return sent

    def after(self, *messages: Message | Performed[Any]) -> "Talk[S]":
        for message in messages:
            self.hear(message)
        return self
