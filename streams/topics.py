"""Topics on the broker, made and kept as they are declared.

What can't be undone is never done on the way: partition counts stay (keys would move to other partitions, away from
their state), and a shorter retention, which deletes records, has to be asked for.
"""

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._metadata import ClusterMetadata
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from schemas.errors import OrderflowError
from schemas.topics import TOPICS, Topic

#: Every answer of the broker is waited for this long.
DEADLINE_SECONDS = 60.0
#: The first answer comes at once or, from a wrong address, never: librdkafka would go on trying.
REACH_SECONDS = 10.0
PAUSE_SECONDS = 0.05

#: Somebody else made it since we looked; whether it is as declared shows when we look again.
_EXISTS = KafkaError.TOPIC_ALREADY_EXISTS
#: One broker has heard of it, the one that we asked has not: it is not there yet.
_UNHEARD = KafkaError.UNKNOWN_TOPIC_OR_PART

Config = dict[str, str]
K = TypeVar("K")
V = TypeVar("V")


class TopicsError(OrderflowError):
    """The broker refused, or could not be asked."""


class UnreachableError(TopicsError):
    """No broker answers: wait and try again."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A topic as it should be on this cluster."""

    name: str
    partitions: int
    replication: int
    config: Config


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as it is."""

    partitions: int
    replication: int
    config: Config


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between declaration and broker, and what becomes of it."""

    action: Literal["create", "alter", "refuse"]
    topic: str
    what: str
    was: str
    becomes: str
    #: For a refusal: why, and what to do.
    advice: str = ""

    def __str__(self) -> str:
        sign = {"create": "+", "alter": "~", "refuse": "!"}[self.action]
        line = f"{sign} {self.topic}: {self.what}"
        if self.action != "create":
            line += f" {self.was} -> {self.becomes}"
        return f"{line} ({self.advice})" if self.advice else line


def wanted(topic: Topic, environment: str, *, brokers: int) -> Wanted:
    """The declaration, fitted to a cluster: no more copies than brokers, all copies but one in sync."""
    replication = min(topic.replication, brokers)
    return Wanted(
        name=topic.name(environment),
        partitions=topic.partitions,
        replication=replication,
        config={
            "cleanup.policy": "compact" if topic.compacted else "delete",
            "retention.ms": str(int(topic.retention.total_seconds() * 1000)),
            "min.insync.replicas": str(max(1, replication - 1)),
        },
    )


def plan(declared: Iterable[Wanted], found: dict[str, Found], *, allow_shorter_retention: bool = False) -> list[Change]:
    """Every difference, in the order of declaration."""
    changes: list[Change] = []
    for topic in declared:
        there = found.get(topic.name)
        if there is None:
            shape = f"{topic.partitions} partitions, replication {topic.replication}, {_text(topic.config)}"
            changes.append(Change("create", topic.name, shape, "", ""))
        else:
            changes += _differences(topic, there, allow_shorter_retention=allow_shorter_retention)
    return changes


def _differences(topic: Wanted, there: Found, *, allow_shorter_retention: bool) -> Iterable[Change]:
    if there.partitions != topic.partitions:
        yield Change(
            "refuse",
            topic.name,
            "partitions",
            str(there.partitions),
            str(topic.partitions),
            "keys would move away from their state; make the topic under another environment and replay into it",
        )
    if there.replication < topic.replication:
        yield Change(
            "refuse",
            topic.name,
            "replication",
            str(there.replication),
            str(topic.replication),
            "copies move between brokers: plan it with kafka-reassign-partitions",
        )
    for name, value in topic.config.items():
        was = there.config.get(name, "")
        if was == value:
            continue
        if name == "retention.ms" and _shorter(value, was) and not allow_shorter_retention:
            advice = "it would delete records; say --allow-shorter-retention if that is meant"
            yield Change("refuse", topic.name, name, was, value, advice)
        else:
            yield Change("alter", topic.name, name, was, value)


def _shorter(value: str, was: str) -> bool:
    return was == "-1" or int(value) < int(was)


def _text(config: Config) -> str:
    return ", ".join(f"{name}={value}" for name, value in config.items())


def unequal(counts: dict[str, int]) -> str | None:
    """Say which topics break co-partitioning; None where all have the same count."""
    if len(set(counts.values())) <= 1:
        return None
    return ", ".join(f"{topic} has {count}" for topic, count in sorted(counts.items(), key=lambda item: item[1]))


class TopicAdmin:
    """The broker's side of it."""

    def __init__(self, client_config: dict[str, str]) -> None:
        # log_level 0: what goes wrong is said once, by our errors, instead of by librdkafka at every attempt.
        quiet: dict[str, Any] = {"log_level": 0, "error_cb": self._hear}
        self._admin = AdminClient(client_config | quiet)
        self._where = client_config["bootstrap.servers"]
        self._trouble: KafkaError | None = None

    def brokers(self) -> int:
        return len(self._metadata().brokers)

    def declared(self, environment: str) -> list[Wanted]:
        """Every topic of the contract, as it should be on this cluster."""
        brokers = self.brokers()
        return [wanted(topic, environment, brokers=brokers) for topic in TOPICS]

    def partition_counts(self) -> dict[str, int]:
        return {name: len(topic.partitions) for name, topic in self._metadata().topics.items()}

    def find(self, names: Iterable[str]) -> dict[str, Found]:
        there = self._metadata().topics
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names if name in there]
        if not resources:  # the client takes no empty list
            return {}
        configs = self._done(self._admin.describe_configs(resources, request_timeout=DEADLINE_SECONDS), unless=_UNHEARD)
        return {
            resource.name: Found(
                partitions=len(there[resource.name].partitions),
                replication=len(there[resource.name].partitions[0].replicas),
                config={name: entry.value for name, entry in entries.items()},
            )
            for resource, entries in configs.items()
        }

    def apply(self, changes: list[Change], declared: Iterable[Wanted]) -> None:
        """Carry out what `plan` said. A refusal is the caller's to report; it changes nothing here."""
        by_name = {topic.name: topic for topic in declared}
        mine = {(change.topic, change.what) for change in changes if change.action != "refuse"}
        new = [
            NewTopic(topic.name, topic.partitions, topic.replication, config=topic.config)
            for topic in (by_name[change.topic] for change in changes if change.action == "create")
        ]
        if new:
            self._done(self._admin.create_topics(new, operation_timeout=DEADLINE_SECONDS), unless=_EXISTS)
        entries: dict[str, list[ConfigEntry]] = {}
        for change in changes:
            if change.action == "alter":
                entry = ConfigEntry(change.what, change.becomes, incremental_operation=AlterConfigOpType.SET)
                entries.setdefault(change.topic, []).append(entry)
        if entries:
            resources = [
                ConfigResource(ResourceType.TOPIC, topic, incremental_configs=configs)
                for topic, configs in entries.items()
            ]
            self._done(self._admin.incremental_alter_configs(resources, request_timeout=DEADLINE_SECONDS))
        self._until_seen(mine, by_name)

    def _until_seen(self, mine: set[tuple[str, str]], declared: Mapping[str, Wanted]) -> None:
        """The controller has it, the brokers hear of it a moment later: who asks next must not find the old state."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while unseen := mine & {(left.topic, left.what) for left in plan(declared.values(), self.find(declared))}:
            if time.monotonic() > deadline:
                names = ", ".join(sorted({topic for topic, _ in unseen}))
                raise TopicsError(f"the broker took the changes, but doesn't show them: {names}; run the command again")
            time.sleep(PAUSE_SECONDS)

    def _metadata(self) -> ClusterMetadata:
        try:
            return self._admin.list_topics(timeout=REACH_SECONDS)
        except KafkaException as error:
            self._admin.poll(0)  # what librdkafka met on the way says more than that it gave up
            raise UnreachableError(
                f"Kafka at {self._where} doesn't answer: is it running (`orderflow status`), "
                "and is ORDERFLOW_KAFKA_BOOTSTRAP right?"
            ) from (error if self._trouble is None else KafkaException(self._trouble))

    def _hear(self, trouble: KafkaError) -> None:
        if trouble.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - librdkafka's own codes begin so
            self._trouble = trouble

    @staticmethod
    def _done(futures: Mapping[K, Future[V]], *, unless: int | None = None) -> dict[K, V]:
        """The answers; a refusal with the code `unless` is none, and no error."""
        answers = {}
        for asked, future in futures.items():
            try:
                answers[asked] = future.result(timeout=DEADLINE_SECONDS)
            except (KafkaException, TimeoutError) as error:
                if unless is None or not isinstance(error, KafkaException) or error.args[0].code() != unless:
                    raise TopicsError(f"{asked}: the broker refused or did not answer") from error
        return answers
