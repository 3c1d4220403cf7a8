"""Topics with a morning's events on a real broker, and tables as they should be for them."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from psycopg import Connection
from psycopg.sql import SQL, Identifier
from psycopg.types.json import Jsonb

from ops.reading import Part, Reader
from projections import migrations
from projections.folds.fold import Fold, Model, Place, Row
from schemas.message import Message
from schemas.topics import PARTITIONS
from streams.topics import TopicAdmin, plan, wanted
from tests.projections.folds.shop import all_said, folded, morning
from tests.streams.kafka.engines import Ground

_GENERATED = {"orders.orders": "status", "payments.payments": "status", "payments.refunds": "status"} | {
    "inventory.reservations": "status",
    "checkouts.checkouts": "status",
}


class Ledger:
    """Of one read model."""

    def __init__(self, ground: Ground, reader: Reader, connection: Connection, model: Model) -> None:
        self.ground, self.reader, self.connection, self.model = ground, reader, connection, model
        migrations.migrate(connection, model.name, migrations.of(model.name))

    @cached_property
    def parts(self) -> list[Part]:
        names = [topic.name(self.ground.environment) for topic in self.model.topics]
        return [Part(name, number) for name in names for number in range(PARTITIONS)]

    def open(self) -> None:
        declared = [wanted(topic, self.ground.environment, brokers=1) for topic in self.model.topics]
        admin = TopicAdmin(self.ground.client)
        admin.apply(plan(declared, admin.find([topic.name for topic in declared])), declared)

    def live(self, seed: int = 0) -> None:
        """Publish what was said on a morning, each record on its partition."""
        for place, message in all_said(morning(seed), self.model):
            topic = message.contract.topic
            assert topic is not None
            key = (message.record_key or "").encode()
            self.ground.put(topic, self.ground.codec.encode(message), key, partition=place.partition)
        self.ground.flush()

    def said(self) -> list[tuple[Place, Message]]:
        return [
            (Place(*each.part, each.offset, each.at), each.message)
            for each in self.reader.to_the_end(self.parts)
            if isinstance(each.message, Message)
        ]

    def rows(self, said: Iterable[tuple[Place, Message]]) -> list[Row]:
        folds: Sequence[Fold[Any]] = self.model.folds
        return [row for (fold, _), each in folded(self.model, iter(said)).items() for row in folds[fold].rows(each)]

    def fill(self) -> None:
        """The tables, and how far they are, as a projector would leave them."""
        with self.connection.transaction():
            for row in self.rows(self.said()):
                self.insert(row)
            ids = self.reader.ids({part.topic for part in self.parts})
            for part, (_, end) in self.reader.bounds(self.parts).items():
                self.connection.execute(
                    SQL(
                        "INSERT INTO {}.progress (topic, partition, topic_id, next_offset) VALUES (%s, %s, %s, %s) "
                        "ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset"
                    ).format(Identifier(self.model.name)),
                    (*part, ids[part.topic], end),
                )

    def insert(self, row: Row) -> None:
        columns = next(table.columns for table in self.model.tables if table.name == row.table)
        values = {
            column: _stored(column, value)
            for column, value in zip(columns, row.values, strict=True)
            if _GENERATED.get(f"{self.model.name}.{row.table}") != column
        }
        self.connection.execute(
            SQL("INSERT INTO {}.{} ({}) VALUES ({})").format(
                Identifier(self.model.name),
                Identifier(row.table),
                SQL(", ").join(map(Identifier, values)),
                SQL(", ").join(
                    SQL("to_timestamp({}::numeric / 1000)").format(value)
                    if column.endswith("_at")
                    else SQL("{}").format(value)
                    for column, value in values.items()
                ),
            )
        )

    def clear(self) -> None:
        """No rows, and nothing projected."""
        with self.connection.transaction():
            for table in (*(table.name for table in self.model.tables), "progress"):
                self.connection.execute(SQL("DELETE FROM {}.{}").format(Identifier(self.model.name), Identifier(table)))

    def forget(self, record_key: str) -> None:
        """No rows of that key."""
        with self.connection.transaction():
            for table in self.model.tables:
                statement = SQL("DELETE FROM {}.{} WHERE {} = %s")
                names = map(Identifier, (self.model.name, table.name, table.by))
                self.connection.execute(statement.format(*names), (record_key,))

    def change(self, statement: str, parameters: Mapping[str, Any] | None = None) -> int:
        """How many rows it changed."""
        with self.connection.transaction():
            self.connection.execute(SQL("SET LOCAL search_path = {}").format(Identifier(self.model.name)))
            return self.connection.execute(SQL(statement), parameters).rowcount


def _stored(column: str, value: Any) -> Any:
    if column == "items":
        return Jsonb(list(value))
    return list(value) if isinstance(value, tuple) else value
