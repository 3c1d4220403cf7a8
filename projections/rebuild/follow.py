"""The shadow brought to where the live model is, batch by batch, as the projector would."""

from collections.abc import Mapping
from typing import Self

from projections.models.model import Rows, Table
from projections.reading import Reader
from projections.rebuild.site import Log, Mark, RebuildError, Refusals, Site, Spot
from projections.store import Owned, Store, UnwritableError
from streams.codec import Codec
from streams.kafka.counters import Counters
from streams.kafka.fetched import Fetched

#: By table, the first columns of the keys that something was said of.
Touched = dict[Table, set[str]]


class Follower:
    """Of one shadow. Whoever followed before, and is frozen, is fenced."""

    def __init__(self, site: Site, log: Log, codec: Codec) -> None:
        self._model, self._log = site.model, log
        self._store = Store(site.dsn, site.model, site.next)
        self._reader = Reader(site.model, codec, Counters(), site.model.topics[0].partitions)
        self._owned: dict[Spot, Owned] = {}
        self.refusals = Refusals()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    def behind(self, marks: Mapping[Spot, Mark]) -> int:
        return sum(mark.next_offset - self._own(mark).next_offset for mark in marks.values())

    def follow(self, marks: Mapping[Spot, Mark], touched: Touched | None = None) -> None:
        """To exactly these."""
        bounds = {spot: (self._own(mark).next_offset, mark.next_offset) for spot, mark in marks.items()}
        for records in self._log.between(bounds):
            batches = dict[Spot, list[Fetched]]()
            for record in records:
                batches.setdefault((record.topic(), record.partition()), []).append(record)
            for spot, batch in batches.items():
                self._apply(self._owned[spot], batch, touched)
        for spot, mark in marks.items():
            # The last places may hold no records.
            if self._owned[spot].next_offset < mark.next_offset:
                self._store.write(self._owned[spot], Rows(self._model), mark.next_offset)

    def _own(self, mark: Mark) -> Owned:
        owned = self._owned.get(mark.spot) or self._store.take(*mark.spot, mark.topic_id)
        if (owned.topic_id, owned.generation) != (mark.topic_id, mark.generation):
            raise RebuildError(f"{mark.topic} was made anew meanwhile; run it again: it begins from the new one")
        self._owned[mark.spot] = owned
        return owned

    def _apply(self, owned: Owned, batch: list[Fetched], touched: Touched | None) -> None:
        """What PostgreSQL refuses is looked for by halves, and left out."""
        parts = [batch]
        while parts:
            part = parts.pop()
            read = self._reader.read(owned, part)
            try:
                self._store.write(owned, read.rows, part[-1].offset() + 1)
            except UnwritableError as error:
                if len(part) > 1:
                    middle = len(part) // 2
                    parts += [part[middle:], part[:middle]]
                    continue
                self.refusals.add(owned.topic, part[0], str(error))
                self._store.write(owned, Rows(self._model), part[0].offset() + 1)
                continue
            for record, cause in read.refused:
                self.refusals.add(owned.topic, record, cause)
            if touched is not None:
                for table, rows in read.rows:
                    touched.setdefault(table, set()).update(row[table.key[0]] for row in rows)
