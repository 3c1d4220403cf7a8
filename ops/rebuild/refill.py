"""A local store, dropped and filled again from the changelog: as a worker does it, without being one."""

from collections import Counter
from contextlib import closing
from typing import Any, NamedTuple

from ops import reading
from ops.reading import Part
from ops.rebuild.site import Site
from streams.kafka.replica import Replica
from streams.state import header
from streams.stores import Stores


class Refilled(NamedTuple):
    """What a partition has now."""

    partition: int
    #: Of the changelog.
    records: int
    keys: int
    #: Keys with something to come by itself, keys whose messages wait, keys that asked the outside.
    due: int
    parked: int
    pending: int
    #: Outputs that are not known to be published; the next owner publishes them.
    owed: int
    #: Keys that a worker wrote over which had lost its partition; the next owner writes them again.
    foreign: int


def refill(site: Site, stores: Stores, number: int, progress: reading.Progress) -> Refilled:
    """Cut short at any point, it leaves a store that a worker goes on with."""
    stores.open(site.group, number).destroy()
    with closing(stores.open(site.group, number)) as store:
        replica: Replica[Any] = Replica(
            site.codecs.states,
            store,
            service=site.service.name,
            changelog=site.changelog,
            topic_id=site.reader.topic_id(site.changelog),
            partition=number,
        )
        bounds = site.bounds(site.changelog, number)
        for records in site.reader.between({Part(site.changelog, number): bounds}):
            replica.read(records)
            progress(replica.restored, bounds[1] - bounds[0])
        has: Counter[str] = Counter()
        for _, raw in store.scan():
            head = header(raw)
            has.update(keys=1, due=head.due is not None, parked=head.parked, pending=head.pending)
    return Refilled(
        partition=number,
        records=replica.restored,
        keys=has["keys"],
        due=has["due"],
        parked=has["parked"],
        pending=has["pending"],
        owed=sum(map(len, replica.fold.owed.values())),
        foreign=len(replica.fold.foreign),
    )
