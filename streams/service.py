"""The declaration of a service: a name, a state, a pure decider, and what it sends.

What it consumes is read from the decider's own signature, so that nothing can be consumed and not handled:

    def decide(state: Order | None, message: CreateOrder | CancelOrder | Wake, at: int) -> Decision[Order]: ...

    orders = Service(name="orders", state=Order, decide=decide, sends=(OrderCreated, OrderCancelled))

Where it looks up reference data, it says so (`reads=(ProductListed,)`) and its decider takes them, too:

    def decide(state: Cart | None, message: AddItemToCart, at: int, tables: Tables) -> Decision[Cart]: ...
"""

import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Any, Concatenate, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

from schemas.catalogue import RECORDS
from schemas.errors import OrderflowError
from schemas.message import Message
from schemas.topics import Topic
from streams.decision import Decision, Later, Performed, Wake
from streams.tables import Tables

S = TypeVar("S")
M = TypeVar("M")

#: What the engine sends a service about its own decisions.
_OWN = (Wake, Performed)

#: Of the state, the message, the time and, where the service reads reference data, its tables.
Decide = Callable[Concatenate[S | None, M, int, ...], Decision[S] | Later]
#: From the fields of a state as one version wrote it to those of the next: plain dicts, lists, texts and numbers.
Upcaster = Callable[[dict[str, Any]], dict[str, Any]]


class ServiceError(OrderflowError):
    """A declaration that can't work; the message names the decider's line and everything that is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Service(Generic[S, M]):
    """Checked when it is built: a service that exists can run."""

    name: str
    state: type[S]
    decide: Decide[S, M]
    sends: tuple[type[Message], ...] = ()
    #: Reference data that its decisions look up: messages of compacted topics, which it holds whole.
    reads: tuple[type[Message], ...] = ()
    #: What its decisions may ask of the outside; who performs it is wired where the service runs.
    effects: tuple[type, ...] = ()
    #: Of the shape of its state: raised with every change, together with an upcaster from the version before.
    version: int = 1
    #: By the version that they read. The oldest that can still be read is the lowest here.
    upcasters: Mapping[int, Upcaster] = field(default_factory=dict, hash=False)
    #: The messages of the contract that the decider takes.
    consumes: tuple[type[Message], ...] = field(init=False)
    #: Whether the decider takes Wake, so that its decisions may set a timer.
    wakes: bool = field(init=False)
    #: What its performers may return: what the decider takes in its `Performed[...]`.
    outcomes: tuple[type, ...] = field(init=False)

    def __post_init__(self) -> None:
        parameters, handled = _signature(self.decide)
        own = [each for each in handled if (get_origin(each) or each) in _OWN]
        object.__setattr__(self, "consumes", tuple(each for each in handled if each not in own))
        object.__setattr__(self, "wakes", Wake in own)
        object.__setattr__(self, "outcomes", tuple(outcome for each in own for outcome in _outcomes(each)))
        problems = [
            *self._problems(parameters),
            *self._problems_of_reads(),
            *self._problems_of_effects(own),
            *self._problems_of_versions(),
        ]
        if problems:
            raise ServiceError(f"service {self.name}, {_line(self.decide)}: " + "; ".join(problems))

    @property
    def topics(self) -> tuple[Topic, ...]:
        """Where its messages come from, each topic once."""
        return tuple(dict.fromkeys(topic for each in self.consumes if (topic := each.contract.topic) is not None))

    def reading(self, tables: Tables) -> "Service[S, M]":
        """The same service with its tables at hand, so that its decider takes (state, message, at) like any other."""
        if not self.reads:
            return self
        decide = self.decide
        bound = copy(self)
        object.__setattr__(bound, "decide", lambda state, message, at: decide(state, message, at, tables))
        return bound

    def _problems(self, parameters: dict[str, Any]) -> Iterator[str]:
        shape = ("state", "message", "at", "tables") if self.reads else ("state", "message", "at")
        if len(parameters) != len(shape):
            yield f"a decider takes ({', '.join(shape)}) where its service has {'' if self.reads else 'no '}`reads`"
            return
        taken, _, _, *tables = parameters.values()
        if tables not in ([], [Tables]):
            yield f"it takes its tables as {_text(tables[0])}: say Tables"
        if set(_members(taken)) != {self.state, NoneType}:
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

    def _problems_of_reads(self) -> Iterator[str]:
        for message in self.reads:
            topic = message.contract.topic
            if message not in RECORDS or topic is None:
                yield f"it reads {_text(message)}, which travels on no topic of the contract"
            elif not topic.compacted:
                yield f"it reads {_text(message)}, but {topic.name('*')} is not compacted and forgets old records"
            elif topic in self.topics:
                yield f"it reads {topic.name('*')} as reference data and consumes it: it can't be both"

    def _problems_of_effects(self, own: list[Any]) -> Iterator[str]:
        if Performed in own:
            yield "which outcomes does it take? Say Performed[...]"
        elif self.effects and not self.outcomes:
            yield "it asks for effects, but its decider takes no Performed[...]"
        for outcome in map(_text, (each for each in self.outcomes if get_origin(each) is not None)):
            yield f"its outcome {outcome}[...] is no class of its own, so it has no name to be written under"
        for kinds in (self.effects, self.outcomes):
            for name, count in Counter(map(_text, kinds)).items():
                if count > 1:
                    yield f"{count} of its effects or outcomes are written as {name}: give each a name of its own"

    def _problems_of_versions(self) -> Iterator[str]:
        if self.version < 1:
            yield f"its state is of version {self.version}, but versions count from 1"
        oldest = max(min(self.upcasters, default=self.version - 1), 1)
        wanted = set(range(oldest, self.version))
        if missing := wanted - self.upcasters.keys():
            yield f"its state is of version {self.version}, but it has no upcaster from {_listed(missing)}"
        if strange := self.upcasters.keys() - wanted:
            yield f"its state is of version {self.version}, so an upcaster from {_listed(strange)} makes no sense"


def _signature(decide: Decide[Any, Any]) -> tuple[dict[str, Any], tuple[type, ...]]:
    hints = get_type_hints(decide)
    parameters = {name: hints.get(name, Any) for name in inspect.signature(decide).parameters}
    return parameters, _members(parameters.get("message", Any))


def _members(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in {Union, UnionType} else (annotation,)


def _outcomes(own: Any) -> tuple[Any, ...]:
    """Of a `Performed[A | B]`, A and B."""
    return tuple(outcome for argument in get_args(own) for outcome in _members(argument))


def _text(annotation: Any) -> str:
    return str(getattr(annotation, "__name__", annotation))


def _listed(versions: set[int]) -> str:
    return ", ".join(map(str, sorted(versions)))


def _line(decide: Decide[Any, Any]) -> str:
    code = inspect.unwrap(decide).__code__
    return f"{code.co_filename}:{code.co_firstlineno}"
