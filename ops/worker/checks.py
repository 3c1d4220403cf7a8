"""What must be so before a worker starts: else it would fail later, at a record, with less to say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ops import contract, registration
from ops.worker.surroundings import Surroundings
from schemas.avsc import fullname
from schemas.catalogue import RECORDS
from schemas.errors import OrderflowError
from schemas.message import Message
from streams.kafka.topics import internal_topics
from streams.service import Service
from streams.topics import TopicAdmin, plan


class UnfitError(OrderflowError):
    """Broker or registry are there, but not as these services need them; the message lists everything."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(
            "not started:\n  " + "\n  ".join(problems) if len(problems) > 1 else f"not started: {problems[0]}"
        )
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Checks:
    """Of all services of one worker. Blocks; every answer has a deadline. Repeating it is harmless."""

    services: Sequence[Service[Any, Any]]
    surroundings: Surroundings

    def __call__(self) -> None:
        """Raise for what is wrong, and make the topics that are the services' own."""
        admin = TopicAdmin(self.surroundings.kafka)
        problems = [*self._topics(admin.partition_counts()), *self._schemas()]
        if not problems:
            problems = list(self._ensure_own(admin))
        if problems:
            raise UnfitError(problems)

    def _topics(self, counts: dict[str, int]) -> Iterator[str]:
        environment = self.surroundings.settings.environment
        needed = {topic.name(environment): topic for message in self._messages() if (topic := message.contract.topic)}
        if missing := sorted(needed.keys() - counts.keys()):
            yield f"topics are missing: {', '.join(missing)}; run: orderflow topics sync"
        # What is only read as reference data is held whole, however it is divided.
        divided = {
            message.contract.topic for service in self.services for message in (*service.consumes, *service.sends)
        }
        for name, topic in needed.items():
            if topic in divided and name in counts and counts[name] != topic.partitions:
                yield (
                    f"{name} has {counts[name]} partitions and the contract says {topic.partitions}: a key's records "
                    "would lie apart from its state; make the topic under another environment and replay into it"
                )

    def _schemas(self) -> Iterator[str]:
        with contract.opened(self.surroundings.registry) as registry:
            found = registration.standings(registry, self.surroundings.settings.environment, self._messages())
        if missing := [standing.message for standing in found if standing.state == "missing"]:
            yield f"the registry has no schema of {', '.join(missing)}; run: orderflow schemas register"
        for standing in found:
            for broken in standing.breaks:
                yield f"{standing.subject}: the registry's version and ours can't read each other: {broken}"
        sent = {fullname(message) for service in self.services for message in service.sends}
        for standing in found:
            if standing.state == "differs" and not standing.breaks and standing.message in sent:
                yield f"{standing.subject}: our version is not in the registry; run: orderflow schemas register"

    def _ensure_own(self, admin: TopicAdmin) -> Iterator[str]:
        environment, brokers = self.surroundings.settings.environment, admin.brokers()
        declared = [
            topic for service in self.services for topic in internal_topics(service, environment, brokers=brokers)
        ]
        changes = plan(declared, admin.find([topic.name for topic in declared]))
        refused = [change for change in changes if change.action == "refuse"]
        if not refused:
            admin.apply(changes, declared)
        for change in refused:
            yield str(change)

    def _messages(self) -> list[type[Message]]:
        """All that travels to or from these services, in the contract's order."""
        ours = {message for service in self.services for message in (*service.consumes, *service.reads, *service.sends)}
        return [message for message in RECORDS if message in ours]
