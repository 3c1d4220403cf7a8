"""One read model at work: its membership of a group, its data thread, and the database that it fills."""

from collections.abc import Mapping
from dataclasses import dataclass

from projections.letters import Letters
from projections.models.model import ReadModel
from projections.projector import Projector
from projections.store import Store
from streams.codec import Codec
from streams.kafka.control import Control
from streams.kafka.counters import Counters
from streams.kafka.group import Group
from streams.kafka.lease import Lease
from streams.kafka.status import ServiceStatus
from streams.kafka.topics import group_of
from streams.registry import Registry


def service_of(model: ReadModel) -> str:
    """What it is called among services: its group is `<this>.<env>`, and its dead letters lie on `<this>.<env>.dlq`."""
    return f"{model.name}-projection"


@dataclass(frozen=True, slots=True)
class Projection:
    """What a worker hosts, by the name that it has there."""

    model: ReadModel

    @property
    def name(self) -> str:
        return service_of(self.model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where read models are filled: the same for all of a process."""

    environment: str
    #: What any client needs to reach Kafka.
    client: Mapping[str, str]
    registry: Registry
    dsn: str
    session_seconds: float = 10.0


class ProjectionEngine:
    """What a worker hosts; see `streams.kafka.status.Engine`."""

    def __init__(self, model: ReadModel, ground: Ground) -> None:
        self._service = service_of(model)
        group = Group(
            name=group_of(self._service, ground.environment),
            inputs=frozenset(topic.name(ground.environment) for topic in model.topics),
            partitions=model.topics[0].partitions,
            session_seconds=ground.session_seconds,
            stateful=False,
        )
        self.counters = Counters()
        self._lease = Lease(ground.session_seconds)
        self._projector = Projector(
            model,
            group,
            ground.client,
            Codec(ground.registry, ground.environment),
            Store(ground.dsn, model),
            self._lease,
            self.counters,
            Letters(self._service, ground.environment, ground.client, self.counters),
        )
        self._control = Control(group, ground.client, self._projector, self._lease)

    @property
    def failure(self) -> BaseException | None:
        return self._control.failure or self._projector.failure()

    async def start(self) -> None:
        self._projector.start()
        await self._control.start()

    async def stop(self) -> None:
        await self._control.stop()

    def status(self) -> ServiceStatus:
        generation, partitions = self._projector.told()
        assigned = generation is not None
        return ServiceStatus(
            service=self._service,
            assigned=assigned,
            recovered=assigned and all(each.role == "active" for each in partitions),
            generation=generation or 0,
            partitions=partitions,
            effects_in_flight=0,
            lease=self._lease.holds(),
        )
