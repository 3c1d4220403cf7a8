"""Rebuilds in this process, and in one of their own that dies at a given moment as by kill -9: `python -m …`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

from ops import rebuilding
from ops.reading import Reader, unseen
from ops.rebuilding import Topics
from ops.settings import Settings
from projections.models import orders
from projections.models.model import ReadModel
from projections.rebuild import crew, fill, run, shadow
from projections.rebuild.run import Report, rebuild
from projections.rebuild.site import Log, Site
from projections.store import Store
from streams.codec import Codec
from tests.projections.ground import Ground
from tests.projections.mortal import Cut, arm


class Moment(Enum):
    """The first time that it comes here it dies."""

    PLACED = Cut(fill, "_copy", after=False)
    COPIED = Cut(fill, "_copy", after=True)
    FILLED_ONE = Cut(crew, "fill", after=True)
    WITH_CHILDREN = Cut(crew, "wait", after=False)
    INDEXED_ONE = Cut(shadow, "_make", after=True)
    BEFORE_WRITE = Cut(Store, "write", after=False)
    AFTER_WRITE = Cut(Store, "write", after=True)
    COMPARED = Cut(run, "compare_all", after=True)
    LOCKED = Cut(run, "swap", after=False)
    RENAMED = Cut(run, "swap", after=True)
    SWAPPED = Cut(run._Rebuild, "_attempt", after=True)  # noqa: SLF001 - it is the moment after the commit


def site_of(ground: Ground, model: ReadModel = orders.MODEL) -> Site:
    @contextmanager
    def opened() -> Iterator[tuple[Log, Codec]]:
        with Reader(ground.broker.client, ground.broker.codec) as reader:
            yield Topics(reader), ground.broker.codec

    return Site(ground.dsn, model.name, opened)


def rebuilt(site: Site, **wish: Any) -> Report:
    return rebuild(site, unseen, lambda _line: None, **wish)


def elsewhere(environment: str, kafka: str, registry: str, dsn: str) -> Site:
    """One that other processes can have."""
    settings = Settings(kafka_bootstrap=kafka, registry_url=registry, postgres_dsn=dsn)  # type: ignore[arg-type]
    return rebuilding.site(settings, environment, orders.MODEL.name)


if __name__ == "__main__":
    moment = Moment[sys.argv[1]]
    if moment is Moment.WITH_CHILDREN:
        crew.RECORDS_WORTH_A_PROCESS = 0
    arm(moment.value)
    rebuilt(elsewhere(*sys.argv[2:]))
