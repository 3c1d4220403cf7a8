"""One service at work on Kafka: its membership of a group, its data thread, and the lease that ties them."""

from collections.abc import Mapping
from dataclasses import dataclass

from streams.codec import Codec
from streams.hosting import Hosted
from streams.kafka.control import Control
from streams.kafka.counters import Counters
from streams.kafka.group import Group
from streams.kafka.lease import Lease
from streams.kafka.plane import Plane
from streams.kafka.status import ServiceStatus
from streams.kafka.thread import DataThread
from streams.kafka.topics import group_of, own_topic_of
from streams.kafka.wire import Codecs
from streams.own import OwnCodec
from streams.registry import Registry
from streams.state import StateCodec
from streams.stores import Stores
from streams.tracing import Tracer


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where engines run: the same for every service of a process."""

    environment: str
    #: What any client needs to reach Kafka.
    client: Mapping[str, str]
    registry: Registry
    stores: Stores
    #: On how many more workers the state of each partition is kept ready.
    standbys: int = 0
    #: A worker that is not heard of for so long loses its partitions.
    session_seconds: float = 10.0
    #: Topics whose records also carry CloudEvents headers.
    cloudevents: frozenset[str] = frozenset()
    #: Who follows the decisions, if anybody.
    tracer: Tracer | None = None
    #: What engines of one process share; None for a thread of its own.
    thread: DataThread | None = None


class KafkaEngine:
    """What a worker hosts; see `streams.kafka.status.Engine`."""

    def __init__(self, hosted: Hosted, site: Site) -> None:
        self._service = service = hosted.service
        inputs = {topic.name(site.environment) for topic in service.topics} | {
            own_topic_of(service.name, site.environment)
        }
        group = Group(
            name=group_of(service.name, site.environment),
            inputs=frozenset(inputs),
            partitions=service.topics[0].partitions,
            standbys=site.standbys,
            session_seconds=site.session_seconds,
        )
        self.counters = Counters()
        self._lease = Lease(site.session_seconds)
        codecs = Codecs(
            service,
            site.environment,
            Codec(site.registry, site.environment),
            OwnCodec(service),
            StateCodec(service),
            site.cloudevents,
            site.tracer,
        )
        self._plane = Plane(
            codecs,
            group,
            site.thread or DataThread(site.client),
            site.stores,
            self._lease,
            self.counters,
            perform=hosted.perform,
            policies=hosted.policies,
        )
        self._control = Control(group, site.client, self._plane, self._lease)

    @property
    def failure(self) -> BaseException | None:
        return self._control.failure or self._plane.failure()

    async def start(self) -> None:
        self._plane.start()
        await self._control.start()

    async def stop(self) -> None:
        await self._control.stop()

    def status(self) -> ServiceStatus:
        generation, partitions = self._plane.told()
        loads = self._plane.loads()
        assigned = generation is not None
        return ServiceStatus(
            service=self._service.name,
            assigned=assigned,
            recovered=assigned and all(each.role not in {"recovering", "waiting"} for each in partitions),
            generation=generation or 0,
            partitions=partitions,
            effects_in_flight=sum(load.in_flight for load in loads.values()),
            lease=self._lease.holds(),
            circuits={kind.__name__: load.circuit for kind, load in loads.items()},
            references=self._plane.references.sizes(),
        )
