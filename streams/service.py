"""The declaration of a service: a name, a state, a pure decider, and what it sends.

What it consumes is read from the decider's own signature, so that nothing can be consumed and not handled:

    def decide(state: Order | None, message: CreateOrder | CancelOrder | Wake, at: int) -> Decision[Order]: ...

    orders = Service(name="orders", state=Order, decide=decide, sends=(OrderCreated, OrderCancelled))
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

from schemas.catalogue import RECORDS
from schemas.errors import OrderflowError
from schemas.message import Message
from schemas.topics import Topic
from streams.decision import Decision, Later, Performed, Wake

S = TypeVar("S")
M = TypeVar("M")

#: What the engine sends a service about its own decisions.
_OWN = (Wake, Performed)

Decide = Callable[[S | None, M, int], Decision[S] | Later]


class ServiceError(OrderflowError):
    """A declaration that can't work; the message names the decider's line and everything that is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Service(Generic[S, M]):
    """Checked when it is built: a service that exists can run."""

    name: str
    state: type[S]
    decide: Decide[S, M]
    sends: tuple[type[Message], ...] = ()
    #: What its decisions may ask of the outside; who performs it is wired where the service runs.
    effects: tuple[type, ...] = ()
    #: The messages of the contract that the decider takes.
    consumes: tuple[type[Message], ...] = field(init=False)
    #: Whether the decider takes Wake, so that its decisions may set a timer.
    wakes: bool = field(init=False)

    def __post_init__(self) -> None:
        parameters, handled = _signature(self.decide)
        object.__setattr__(self, "consumes", tuple(each for each in handled if each not in _OWN))
        object.__setattr__(self, "wakes", Wake in handled)
        problems = list(self._problems(parameters))
        if self.effects and Performed not in handled:
            problems.append("it asks for effects, but its decider takes no Performed")
        if problems:
            raise ServiceError(f"service {self.name}, {_line(self.decide)}: " + "; ".join(problems))

    @property
    def topics(self) -> tuple[Topic, ...]:
        """Where its messages come from, each topic once."""
        return tuple(dict.fromkeys(topic for each in self.consumes if (topic := each.contract.topic) is not None))

    def _problems(self, parameters: dict[str, Any]) -> Iterator[str]:
        if len(parameters) != len(("state", "message", "at")):
            yield "a decider takes (state, message, at)"
            return
        taken, _, _ = parameters.values()
        if _members(taken) != {self.state, NoneType}:
            name = self.state.__name__
            yield f"it takes state {_text(taken)}, but the service keeps {name}: say {name} | None"
        if not self.consumes:
            yield "it consumes no message of the contract"
        for message in self.consumes:
            if message not in RECORDS:
                yield f"it consumes {_text(message)}, which travels on no topic of the contract"
        for message in self.sends:
            if message not in RECORDS:
                yield f"it sends {_text(message)}, which travels on no topic of the contract"
        counts = {topic.partitions for topic in self.topics}
        if len(counts) > 1:
            each = ", ".join(f"{topic.name('*')} has {topic.partitions}" for topic in self.topics)
            yield f"its topics must have one partition count, so that a key stays on one number: {each}"


def _signature(decide: Decide[Any, Any]) -> tuple[dict[str, Any], tuple[type, ...]]:
    hints = get_type_hints(decide)
    parameters = {name: hints.get(name, Any) for name in inspect.signature(decide).parameters}
    message = parameters.get("message", Any)
    return parameters, get_args(message) if get_origin(message) in {Union, UnionType} else (message,)


def _members(annotation: Any) -> set[Any]:
    return set(get_args(annotation)) if get_origin(annotation) in {Union, UnionType} else {annotation}


def _text(annotation: Any) -> str:
    return str(getattr(annotation, "__name__", annotation))


def _line(decide: Decide[Any, Any]) -> str:
    code = inspect.unwrap(decide).__code__
    return f"{code.co_filename}:{code.co_firstlineno}"
