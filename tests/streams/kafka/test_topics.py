"""What belongs to a service on the broker."""

import pytest

from examples.python.patience import patience
from ops.stack import Addresses
from schemas.topics import PARTITIONS
from streams.kafka.topics import group_of, internal_topics
from streams.topics import plan
from tests import topics


def test_its_topics_carry_its_name_and_that_of_the_environment() -> None:
    assert group_of("patience", "sit") == "patience.sit"
    assert [topic.name for topic in internal_topics(patience, "sit", brokers=3)] == [
        "patience.sit-state-changelog",
        "patience.sit.own",
        "patience.sit.dlq",
    ]


def test_they_have_the_partitions_of_its_inputs_and_as_many_copies() -> None:
    for topic in internal_topics(patience, "sit", brokers=5):
        assert (topic.partitions, topic.replication, topic.config["min.insync.replicas"]) == (PARTITIONS, 3, "2")
    for topic in internal_topics(patience, "sit", brokers=1):
        assert (topic.replication, topic.config["min.insync.replicas"]) == (1, "1")


def test_the_changelog_is_compacted_not_before_an_hour_and_dead_letters_stay_as_long_as_events() -> None:
    changelog, own, dead_letters = internal_topics(patience, "sit", brokers=1)
    assert changelog.config["cleanup.policy"] == "compact"
    assert changelog.config["min.compaction.lag.ms"] == "3600000"
    days = [int(topic.config["retention.ms"]) / 86_400_000 for topic in (own, dead_letters)]
    assert days == [14, 365]


@pytest.mark.connected
def test_a_broker_takes_them_as_declared(stack: Addresses, unique: str) -> None:
    admin = topics.admin(stack.kafka)
    declared = internal_topics(patience, unique, brokers=admin.brokers())
    admin.apply(plan(declared, {}), declared)
    assert plan(declared, admin.find([topic.name for topic in declared])) == []
