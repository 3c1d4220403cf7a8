"""Read models at work in this process, on topics and in a database of one test."""

from typing import Any

from psycopg.sql import SQL, Composed, Identifier

from ops.reading import Reader, unseen
from ops.verification import opening
from projections import database, migrations
from projections.engine import Ground as Site
from projections.engine import ProjectionEngine, service_of
from projections.folds.catalogue import MODELS as FOLDS
from projections.models.model import ReadModel
from projections.verify import Verdict, verify
from streams.codec import Codec
from streams.kafka.topics import dead_letters_of
from streams.registry import Registry
from streams.topics import TopicAdmin, Wanted, plan, wanted
from tests.streams.kafka.engines import Ground as Broker
from tests.streams.kafka.engines import Lying


class Ground:
    """One environment: a broker's topics and a database."""

    def __init__(self, bootstrap: str, environment: str, dsn: str, registry: Registry | None = None) -> None:
        """`registry`: one that other processes find, too."""
        self.broker = Broker(bootstrap, environment)
        self.registry = registry or self.broker.registry
        self.broker.codec = Codec(self.registry, environment)
        self.environment = environment
        self.dsn = dsn

    def make(self, *models: ReadModel) -> None:
        """Topics and schemas."""
        with database.opened(self.dsn) as connection:
            for model in models:
                migrations.migrate(connection, model.name, migrations.of(model.name))
        topics = {topic for model in models for topic in model.topics}
        declared = [wanted(topic, self.environment, brokers=1) for topic in topics]
        declared += [Wanted(self._letters(model), declared[0].partitions, 1, {}) for model in models]
        admin = TopicAdmin(self.broker.client)
        admin.apply(plan(declared, admin.find([topic.name for topic in declared])), declared)

    def engine(self, model: ReadModel, **site: Any) -> ProjectionEngine:
        settings: dict[str, Any] = {"registry": self.registry, "session_seconds": 6.0} | site
        return ProjectionEngine(
            model, Site(environment=self.environment, client=self.broker.client, dsn=self.dsn, **settings)
        )

    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """Of `schema.table`, in the order of the columns asked for."""
        names = SQL(", ").join(map(Identifier, columns))
        return self.ask(SQL("SELECT {} FROM {} ORDER BY {}").format(names, Identifier(*table.split(".")), names))

    def ask(self, question: SQL | Composed) -> list[tuple[Any, ...]]:
        with database.opened(self.dsn) as connection:
            return connection.execute(question).fetchall()

    def applied(self, model: ReadModel) -> int:
        """Records of all its partitions."""
        return sum(offset for (offset,) in self.rows(f"{model.name}.progress", "next_offset"))

    def verdict(self, model: ReadModel) -> Verdict:
        """Of its rows, held against the log."""
        with Reader(self.broker.client, self.broker.codec) as reader, database.opened(self.dsn) as connection:
            opened = opening(reader, model.name, self.environment, unseen)
            return verify(connection, FOLDS[model.name], opened)

    def dead_letters(self, model: ReadModel) -> list[Lying]:
        return self.broker.read(self._letters(model))

    def _letters(self, model: ReadModel) -> str:
        return dead_letters_of(service_of(model), self.environment)
