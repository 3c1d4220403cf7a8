"""A clean slate: an environment whose topics hold nothing, so that what is counted is what was published now."""

from collections.abc import Collection, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from ops.demo.errors import OccupiedError
from ops.stack.waiting import wait_until
from streams.kafka.topics import group_of, internal_topics
from streams.service import Service
from streams.topics import DEADLINE_SECONDS, TopicAdmin, TopicsError, plan

#: A worker that was killed counts as a member for one session more, and somebody may just be stopping.
LEAVE_SECONDS = 25.0

Services = Collection[Service[Any, Any]]


def cleaned(client: dict[str, str], environment: str, services: Services) -> int:
    """Remove the services' groups and all topics, and make the topics anew; how many.

    Raises OccupiedError where somebody works there, before any topic is touched.
    """
    topics = TopicAdmin(client)
    admin = AdminClient({**client, "log_level": 0})
    _forget(admin, [group_of(service.name, environment) for service in services], environment)
    brokers = topics.brokers()
    own = [topic for service in services for topic in internal_topics(service, environment, brokers=brokers)]
    declared = [*topics.declared(environment), *own]
    _remove(admin, topics, {topic.name for topic in declared})
    topics.apply(plan(declared, {}), declared)
    return len(declared)


def _forget(admin: AdminClient, groups: list[str], environment: str) -> None:
    refused: dict[str, KafkaException] = {}

    def gone() -> bool:
        removing = admin.delete_consumer_groups(groups, request_timeout=DEADLINE_SECONDS)
        refused.clear()
        refused.update(_refusals(removing, unless=KafkaError.GROUP_ID_NOT_FOUND))
        return not refused

    # Also where a cluster is new: its coordinator of groups takes a moment.
    if wait_until(gone, seconds=LEAVE_SECONDS):
        return
    if occupied := [name for name, error in refused.items() if error.args[0].code() == KafkaError.NON_EMPTY_GROUP]:
        raise OccupiedError(environment, occupied, LEAVE_SECONDS)
    raise _not_removed(refused)


def _remove(admin: AdminClient, topics: TopicAdmin, names: set[str]) -> None:
    there = names & topics.partition_counts().keys()
    if there:  # the client takes no empty list
        removing = admin.delete_topics([*there], operation_timeout=DEADLINE_SECONDS)
        if refused := _refusals(removing, unless=KafkaError.UNKNOWN_TOPIC_OR_PART):
            raise _not_removed(refused)
    # The controller has removed them, the brokers hear of it a moment later.
    if not wait_until(lambda: not there & topics.partition_counts().keys(), seconds=DEADLINE_SECONDS):
        raise TopicsError(f"the broker removed {', '.join(sorted(there))}, but still shows them; run the command again")


def _refusals(asked: Mapping[str, Future[None]], *, unless: int) -> dict[str, KafkaException]:
    """By name; the code `unless` says that there is nothing to remove."""
    refused = {}
    for name, future in asked.items():
        try:
            future.result(timeout=DEADLINE_SECONDS)
        except KafkaException as error:
            if error.args[0].code() != unless:
                refused[name] = error
        except TimeoutError as error:
            raise TopicsError(f"{name}: the broker did not say whether it removed it; run the command again") from error
    return refused


def _not_removed(refused: dict[str, KafkaException]) -> TopicsError:
    name, reason = next(iter(refused.items()))
    error = TopicsError(f"{name}: the broker refused to remove it")
    error.__cause__ = reason
    return error
