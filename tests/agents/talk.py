"""One key of a service, message by message, without an engine."""

from typing import Any, Generic, TypeVar

from schemas.message import Message
from streams.decision import Decision, Performed
from streams.service import Service
from streams.testing.purity import guarded

S = TypeVar("S")

START = 1_700_000_000_000
SECOND = 1_000


class Talk(Generic[S]):
    """A second passes before each message."""

    def __init__(self, service: Service[S, Any]) -> None:
        self._service = guarded(service)
        self.at = START
        self.state: S | None = None
        #: Whatever was asked of the outside.
        self.effects: list[Any] = []
        #: Of the last decision.
        self.expires: int | None = None

    def hear(self, message: Message | Performed[Any]) -> tuple[Message, ...]:
        """What is sent because of it."""
        self.at += SECOND
        decision = self._service.decide(self.state, message, self.at)
        assert isinstance(decision, Decision)
        assert {type(each) for each in decision.sends} <= set(self._service.sends)
        assert {type(each) for each in decision.effects} <= set(self._service.effects)
        self.state, self.expires = decision.state, decision.expires
        self.effects += decision.effects
        return decision.sends

    def after(self, *messages: Message | Performed[Any]) -> "Talk[S]":
        for message in messages:
            self.hear(message)
        return self

    def performed(self, outcome: Any) -> tuple[Message, ...]:
        return self.hear(Performed("payments/1", outcome))
