"""The topics as a rebuild reads them, in this process or in another."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from ops import addresses, reading
from ops.reading import Part, Reader
from ops.settings import Settings
from projections.rebuild.site import Log, Site, Spot
from streams.codec import Codec
from streams.kafka.fetched import Fetched


@dataclass(frozen=True, slots=True)
class Topics:
    """As a `Log`."""

    reader: Reader

    def ids(self, topics: Iterable[str]) -> dict[str, str]:
        return self.reader.ids([*topics])

    def bounds(self, spots: Iterable[Spot]) -> dict[Spot, tuple[int, int]]:
        found = self.reader.bounds(Part(*spot) for spot in spots)
        return {(part.topic, part.partition): bound for part, bound in found.items()}

    def between(self, bounds: Mapping[Spot, tuple[int, int]]) -> Iterator[list[Fetched]]:
        return self.reader.between({Part(*spot): bound for spot, bound in bounds.items()})


def site(settings: Settings, environment: str, model: str) -> Site:
    dsn = addresses.postgres(settings, environment)
    return Site(dsn, model, partial(_opened, settings, environment))


@contextmanager
def _opened(settings: Settings, environment: str) -> Iterator[tuple[Log, Codec]]:
    with reading.opened(settings, environment) as (reader, codec):
        yield Topics(reader), codec
