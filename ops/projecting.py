"""Read models as a worker hosts them: what must be so before, and what each is built from."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ops import contract, registration
from ops.worker.checks import UnfitError
from ops.worker.surroundings import Surroundings
from projections import database, migrations
from projections.engine import Ground, Projection, ProjectionEngine
from projections.models import MODELS
from schemas.catalogue import RECORDS
from schemas.errors import OrderflowError
from streams.confluent import ConfluentRegistry
from streams.kafka.status import Engine
from streams.kafka.topics import dead_letters_topic
from streams.topics import TopicAdmin, plan, wanted


class NoModelError(OrderflowError):
    """There is no such read model."""

    exit_code = 2


def chosen(names: Sequence[str]) -> list[Projection]:
    """All of them where none is named."""
    known = {model.name: model for model in MODELS}
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
            raise NoModelError(f"{name} is no read model; {hint}")
    return [Projection(model) for name, model in known.items() if not names or name in names]


@dataclass(frozen=True, slots=True)
class Projecting:
    """Checks and engines, for the Order Database at `dsn`."""

    projections: Sequence[Projection]
    surroundings: Surroundings
    dsn: str

    def check(self) -> None:
        """Raise for what is wrong, and make the topics of dead letters. Repeating it is harmless."""
        admin = TopicAdmin(self.surroundings.kafka)
        problems = [*self._topics(admin.partition_counts()), *self._schemas(), *self._database()]
        if not problems:
            problems = list(self._ensure_dead_letters(admin))
        if problems:
            raise UnfitError(problems)

    def engine(self, projection: Projection, surroundings: Surroundings) -> Engine:
        settings = surroundings.settings
        ground = Ground(
            environment=settings.environment,
            client=surroundings.kafka,
            registry=ConfluentRegistry(surroundings.registry),
            dsn=self.dsn,
            session_seconds=settings.session_seconds,
        )
        return ProjectionEngine(projection.model, ground)

    def _topics(self, counts: dict[str, int]) -> Iterator[str]:
        environment = self.surroundings.settings.environment
        needed = {topic.name(environment): topic for each in self.projections for topic in each.model.topics}
        if missing := sorted(needed.keys() - counts.keys()):
            yield f"topics are missing: {', '.join(missing)}; run: orderflow topics sync"
        for name, topic in needed.items():
            if counts.get(name, topic.partitions) != topic.partitions:
                yield (
                    f"{name} has {counts[name]} partitions and the contract says {topic.partitions}: events of a key "
                    "would have no order; make the topic under another environment and replay into it"
                )

    def _schemas(self) -> Iterator[str]:
        read = {message for each in self.projections for message in each.model.rules}
        with contract.opened(self.surroundings.registry) as registry:
            messages = [message for message in RECORDS if message in read]
            found = registration.standings(registry, self.surroundings.settings.environment, messages)
        if missing := [standing.message for standing in found if standing.state == "missing"]:
            yield f"the registry has no schema of {', '.join(missing)}; run: orderflow schemas register"
        for standing in found:
            for broken in standing.breaks:
                yield f"{standing.subject}: the registry's version and ours can't read each other: {broken}"

    def _database(self) -> Iterator[str]:
        with database.opened(self.dsn) as connection:
            for each in self.projections:
                name = each.model.name
                for file in migrations.standing(connection, name, migrations.of(name)):
                    if file.state == "changed" or (file.state == "pending" and not file.name.endswith(".post.sql")):
                        yield f"schema {name}: {file.name} is {file.state}; run: orderflow database migrate"

    def _ensure_dead_letters(self, admin: TopicAdmin) -> Iterator[str]:
        environment, brokers = self.surroundings.settings.environment, admin.brokers()
        declared = [
            dead_letters_topic(each.name, environment, wanted(each.model.topics[0], environment, brokers=brokers))
            for each in self.projections
        ]
        changes = plan(declared, admin.find([topic.name for topic in declared]))
        refused = [change for change in changes if change.action == "refuse"]
        if not refused:
            admin.apply(changes, declared)
        for change in refused:
            yield str(change)
