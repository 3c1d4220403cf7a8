"""Whole services on the in-memory log: who runs next, who crashes and what time it is, all from one seed."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import count
from random import Random
from types import MappingProxyType
from typing import Any

from schemas.errors import OrderflowError
from schemas.message import Message
from schemas.topics import PARTITIONS, Topic
from streams.effects import Perform, Policy
from streams.memory.log import Log, Logged
from streams.memory.task import ENVIRONMENT, Boundary, DeadLetter, Task
from streams.replay import Header
from streams.service import Service, ServiceError
from streams.tables import Latest

#: Decides, at each boundary of each task, whether it happens there: the process dies, or whatever else may befall it.
Crash = Callable[[Task, Boundary], bool]


_NOBODY: Mapping[type, Perform] = MappingProxyType({})
_DEFAULTS: Mapping[type, Policy] = MappingProxyType({})


class RestlessError(OrderflowError):
    """The services were still busy after the steps they were given; perhaps they answer each other for ever."""


def never(_task: Task, _boundary: Boundary) -> bool:
    return False


def by_chance(seed: int, one_in: int, *, at_most: int = 300) -> Crash:
    """At one boundary in so many, the same ones for the same seed.

    `at_most` so often: who dies more often than it can pay what it owes would never come to an end.
    """
    random = Random(seed)
    left = count(at_most, -1)
    return lambda _task, _boundary: random.randrange(one_in) == 0 and next(left) > 0


class Twin:
    """Deterministic: the same services, messages, seed and crashes give the same logs."""

    def __init__(
        self,
        services: Iterable[Service[Any, Any]],
        *,
        seed: int = 0,
        partitions: int = PARTITIONS,
        crash: Crash = never,
        upheaval: Crash = never,
        compaction: Crash = never,
        perform: Mapping[type, Perform] = _NOBODY,
        policies: Mapping[type, Policy] = _DEFAULTS,
    ) -> None:
        """What may befall a partition, and who answers it.

        `crash`: its process dies; `upheaval`: another one takes it over, while what the first wrote is still on its
        way; `compaction`: of its changelog. `perform`: by type of effect, who performs it; `policies`: how it is
        called, where not as by default.
        """
        services = tuple(services)
        for service in services:
            if missing := [effect.__name__ for effect in service.effects if effect not in perform]:
                raise ServiceError(f"service {service.name}: nobody performs {', '.join(missing)}; say so by `perform`")
        self._random = Random(seed)
        self._faults = [
            (happens, befall)
            for happens, befall in ((compaction, Task.compact), (upheaval, Task.lose), (crash, Task.crash))
            if happens is not never
        ]
        self._log = Log(partitions)
        self._tasks = [
            Task(service, partition, self._log, self._random, perform, policies, tables)
            for service, tables in zip(services, map(self._tables_of, services), strict=True)
            for partition in range(partitions)
        ]
        self._readers: dict[tuple[str, int], list[Task]] = defaultdict(list)
        for task in self._tasks:
            for place in task.places:
                self._readers[place].append(task)

    @property
    def now(self) -> int:
        return self._log.now

    @property
    def published(self) -> int:
        """Records on all topics, repeats and all."""
        return len(self._log)

    @property
    def dead_letters(self) -> list[DeadLetter]:
        return [letter for task in self._tasks for letter in task.dead_letters]

    def publish(self, message: Message, key: str | None = None, headers: tuple[Header, ...] = ()) -> None:
        """As a producer does. `key`: of its record, where the message leaves it out; its receivers find it there."""
        topic, named = message.contract.topic, message.contract.key
        if key is not None and named is not None and message.record_key is None:
            message = message.model_copy(update={named: key})
        key = message.record_key or key
        if topic is None or key is None:
            raise ValueError(f"{type(message).__name__} has no topic or no key: it can't be published")
        self._log.append(topic.name(ENVIRONMENT), key, message, headers)

    def retract(self, kind: type[Message], key: str) -> None:
        """Publish a tombstone, as a producer does who takes back what is said under a key of a compacted topic."""
        topic = kind.contract.topic
        if topic is None:
            raise ValueError(f"{kind.__name__} has no topic: nothing of it can be taken back")
        self._log.append(topic.name(ENVIRONMENT), key, None)

    def messages(self, topic: Topic) -> list[Message]:
        """All that was ever published on a topic, partition by partition, repeats and all."""
        return [record.message for record in self.records(topic) if isinstance(record.message, Message)]

    def records(self, topic: Topic) -> list[Logged]:
        """The same, with the time of each."""
        return self._log.all(topic.name(ENVIRONMENT))

    def states(self, service: Service[Any, Any]) -> dict[str, Any]:
        return {key: state for task in self._tasks if task.service is service for key, state in task.states.items()}

    def advance(self, millis: int) -> None:
        """Let time pass; what falls due happens at the next `run`."""
        self._log.now += millis

    def crash(self, service: Service[Any, Any]) -> None:
        """Lose all of its processes at once, wherever they are."""
        for task in self._tasks:
            if task.service is service:
                task.crash()

    def rewind(self, service: Service[Any, Any]) -> None:
        """Have it read everything again, as an operator does who puts its committed offsets back."""
        for task in self._tasks:
            if task.service is service:
                task.rewind()

    def run(self, *, until: int | None = None, steps: int = 10_000_000) -> None:
        """Go on until nobody has anything to do; time jumps from deadline to deadline, up to `until`."""
        while True:
            steps = self._settle(steps)
            deadlines = [deadline for task in self._tasks if (deadline := task.next_deadline) is not None]
            upcoming = min(deadlines, default=None)
            if upcoming is None or (until is not None and upcoming > until):
                self._log.now = max(self._log.now, until or 0)
                return
            self._log.now = max(self._log.now, upcoming)

    def _tables_of(self, service: Service[Any, Any]) -> Latest:
        """What is published there is seen by all of its partitions at once."""
        tables = Latest(service.reads)
        for topic in tables.topics:
            self._log.follow(topic.name(ENVIRONMENT), partial(tables.learn, topic))
        return tables

    def _settle(self, steps: int) -> int:
        # Who rests does so until time passes, or something comes that it reads: most need not be asked.
        awake = set(self._tasks)
        while busy := [task for task in self._tasks if task in awake and not task.idle]:
            self._log.grown.clear()
            for task in self._random.choices(busy, k=len(busy)):
                boundary = task.step()
                for happens, befall in self._faults:
                    if happens(task, boundary):
                        befall(task)
            awake = {*busy, *(reader for place in self._log.grown for reader in self._readers.get(place, ()))}
            steps -= len(busy)
            if steps < 0:
                raise RestlessError("still busy after the steps allowed; raise `steps` if that is expected")
        return steps
