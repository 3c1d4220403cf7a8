"""The twin as a world."""

from collections.abc import Callable, Mapping
from typing import Any

from schemas.message import Message
from schemas.topics import Topic
from streams.effects import Perform, Policy
from streams.memory.task import ENVIRONMENT, Boundary, Task
from streams.memory.twin import Twin
from streams.service import Service
from tests.contract.worlds import MARKED, NOBODY, Letter

START = 1_700_000_000_000


class _Once:
    """Each service dies the first time that one of its partitions comes to the boundary."""

    def __init__(self, boundary: Boundary | None) -> None:
        self._boundary = boundary
        self.dead: set[str] = set()

    def __call__(self, task: Task, boundary: Boundary) -> bool:
        if boundary is not self._boundary or task.service.name in self.dead:
            return False
        self.dead.add(task.service.name)
        return True


class TwinWorld:
    environment = ENVIRONMENT

    def __init__(
        self,
        *services: Service[Any, Any],
        dies_at: Boundary | None = None,
        perform: Mapping[type, Perform] = NOBODY,
        policies: Mapping[type, Policy] = NOBODY,
    ) -> None:
        self._once = _Once(dies_at)
        self._twin = Twin(services, crash=self._once, perform=perform, policies=policies)
        self._twin.advance(START)

    @property
    def now(self) -> int:
        return self._twin.now

    def publish(self, *messages: Message) -> None:
        for message in messages:
            self._twin.publish(message)

    def copy(self, *messages: Message) -> None:
        for message in messages:
            self._twin.publish(message, headers=(MARKED,))

    def run(self) -> None:
        self._twin.run()

    def until(self, condition: Callable[[], bool]) -> None:
        self._twin.run(until=self._twin.now)
        assert condition()

    def crash(self, service: Service[Any, Any]) -> None:
        self._twin.crash(service)

    def rewind(self, service: Service[Any, Any]) -> None:
        self._twin.rewind(service)

    def join(self, service: Service[Any, Any], meanwhile: Callable[[], None]) -> None:
        meanwhile()
        # Whoever loses a partition and whoever gets it: to the partition it is the end of a life.
        self._twin.crash(service)

    def leave(self, service: Service[Any, Any], meanwhile: Callable[[], None]) -> None:
        self.join(service, meanwhile)

    def messages(self, topic: Topic) -> list[Message]:
        return self._twin.messages(topic)

    def states(self, service: Service[Any, Any]) -> dict[str, Any]:
        return self._twin.states(service)

    def dead_letters(self, service: Service[Any, Any]) -> list[Letter]:
        return [
            Letter(each.topic, each.partition, each.offset, *_said(each.refusal))
            for each in self._twin.dead_letters
            if each.service == service.name
        ]

    def crashes(self) -> int:
        return len(self._once.dead)


def _said(refusal: Any) -> tuple[str, str, int]:
    return refusal.cause, refusal.detail, refusal.attempts
