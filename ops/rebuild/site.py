"""What both need: a service, where it runs, and that it does not run now."""

from collections.abc import Mapping
from typing import Any

from ops.groups import Groups
from ops.reading import Part, Reader
from schemas.errors import OrderflowError
from streams.codec import Codec
from streams.kafka.topics import changelog_of, group_of, own_topic_of
from streams.kafka.wire import Codecs
from streams.own import OwnCodec
from streams.service import Service
from streams.state import StateCodec


class RebuildError(OrderflowError):
    """A state can't be rebuilt, or is not what its inputs give."""


class Site:
    """One service in one environment."""

    def __init__(
        self,
        service: Service[Any, Any],
        environment: str,
        client: Mapping[str, str],
        *,
        reader: Reader,
        codec: Codec,
    ) -> None:
        self.service = service
        self.environment = environment
        self.reader = reader
        self.codecs = Codecs(service, environment, codec, OwnCodec(service), StateCodec(service))
        self.client = dict(client)
        self.groups = Groups(client)
        self.group = group_of(service.name, environment)
        self.changelog = changelog_of(service.name, environment)
        self.own = own_topic_of(service.name, environment)
        self.inputs = [*(topic.name(environment) for topic in service.topics), self.own]

    def check(self) -> int:
        """How many partitions there are. Raises GroupError where a worker runs, RebuildError where nothing is there."""
        there = self.reader.topics()
        if missing := [name for name in (self.changelog, *self.inputs) if name not in there]:
            raise RebuildError(f"{', '.join(missing)}: not there; has {self.group} ever run on this cluster?")
        self.groups.check_empty(self.group)
        return there[self.changelog]

    def numbers(self, partition: int | None) -> list[int]:
        count = self.check()
        if partition is not None and partition >= count:
            raise RebuildError(f"{self.changelog} has no partition {partition}: they are 0 to {count - 1}")
        return list(range(count)) if partition is None else [partition]

    def bounds(self, topic: str, number: int) -> tuple[int, int]:
        part = Part(topic, number)
        return self.reader.bounds([part])[part]
