"""A clean slate: an environment whose topics and tables hold nothing, so that what is counted is of now."""

from collections.abc import Collection, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from ops.rig.errors import OccupiedError
from ops.stack.waiting import wait_until
from projections import database, migrations
from projections.engine import service_of
from projections.models import MODELS
from schemas.topics import ORDERS_EVENTS
from streams.kafka.topics import dead_letters_topic, group_of, internal_topics
from streams.service import Service
from streams.topics import DEADLINE_SECONDS, TopicAdmin, TopicsError, plan, wanted

#: A worker that was killed counts as a member for one session more, and somebody may just be stopping.
LEAVE_SECONDS = 25.0

Services = Collection[Service[Any, Any]]


def cleaned(client: dict[str, str], environment: str, services: Services) -> int:
    """Remove the groups of services and read models and all topics, and make the topics anew; how many.

    Raises OccupiedError where somebody works there, before any topic is touched.
    """
    topics = TopicAdmin(client)
    admin = AdminClient({**client, "log_level": 0})
    projectors = [service_of(model) for model in MODELS]
    names = [*(service.name for service in services), *projectors]
    _forget(admin, [group_of(name, environment) for name in names], environment)
    brokers = topics.brokers()
    own = [topic for service in services for topic in internal_topics(service, environment, brokers=brokers)]
    like = wanted(ORDERS_EVENTS, environment, brokers=brokers)
    letters = [dead_letters_topic(name, environment, like) for name in projectors]
    declared = [*topics.declared(environment), *own, *letters]
    _remove(admin, topics, {topic.name for topic in declared})
    topics.apply(plan(declared, {}), declared)
    return len(declared)


def emptied(dsn: str, environment: str) -> str:
    """On this server the database of an environment, removed and made anew with all read models; its address."""
    ours = database.of_environment(dsn, environment)
    with database.opened(dsn) as connection:
        name = Identifier(str(conninfo_to_dict(ours)["dbname"]))
        connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
    database.create(ours)
    with database.opened(ours) as connection:
        for model in MODELS:
            migrations.migrate(connection, model.name, migrations.of(model.name))
    return ours


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
