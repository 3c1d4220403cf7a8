from dataclasses import replace
from datetime import timedelta

import pytest
from confluent_kafka.admin import AdminClient

from ops.stack import Addresses
from ops.stack.waiting import wait_until
from schemas import topics as declared
from schemas.topics import Topic
from streams.topics import Change, Found, Wanted, plan, unequal, wanted
from tests import topics

ORDERS = Wanted("orders.dev.events", 4, 1, {"cleanup.policy": "delete", "retention.ms": "1000"})
AS_DECLARED = Found(4, 1, {"cleanup.policy": "delete", "retention.ms": "1000"})


def test_a_missing_topic_is_created_with_its_whole_shape() -> None:
    (change,) = plan([ORDERS], {})
    assert str(change) == ("+ orders.dev.events: 4 partitions, replication 1, cleanup.policy=delete, retention.ms=1000")


def test_a_topic_as_declared_needs_nothing() -> None:
    assert plan([ORDERS], {ORDERS.name: AS_DECLARED}) == []


@pytest.mark.parametrize("count", [2, 8])
def test_another_partition_count_is_refused_with_the_way_out(count: int) -> None:
    (change,) = plan([ORDERS], {ORDERS.name: replace(AS_DECLARED, partitions=count)})
    assert (change.action, change.was, change.becomes) == ("refuse", str(count), "4")
    assert "replay" in str(change)


def test_fewer_copies_than_declared_are_refused_and_more_are_left_alone() -> None:
    three = replace(ORDERS, replication=3)
    (change,) = plan([three], {ORDERS.name: AS_DECLARED})
    assert (change.action, change.what) == ("refuse", "replication")
    assert plan([ORDERS], {ORDERS.name: replace(AS_DECLARED, replication=3)}) == []


@pytest.mark.parametrize("was", ["2000", "-1"])
def test_a_shorter_retention_deletes_records_so_it_must_be_asked_for(was: str) -> None:
    longer = replace(AS_DECLARED, config=AS_DECLARED.config | {"retention.ms": was})
    (refused,) = plan([ORDERS], {ORDERS.name: longer})
    assert (refused.action, refused.what) == ("refuse", "retention.ms")
    (allowed,) = plan([ORDERS], {ORDERS.name: longer}, allow_shorter_retention=True)
    assert allowed == Change("alter", ORDERS.name, "retention.ms", was, "1000")


def test_a_longer_retention_and_another_policy_are_altered() -> None:
    other = replace(AS_DECLARED, config={"cleanup.policy": "compact", "retention.ms": "10"})
    assert [str(change) for change in plan([ORDERS], {ORDERS.name: other})] == [
        "~ orders.dev.events: cleanup.policy compact -> delete",
        "~ orders.dev.events: retention.ms 10 -> 1000",
    ]


def test_a_declaration_is_fitted_to_the_cluster() -> None:
    topic = Topic("orders", "events", "orderId", timedelta(days=1))
    alone, three = (wanted(topic, "dev", brokers=brokers) for brokers in (1, 3))
    assert (alone.replication, alone.config["min.insync.replicas"]) == (1, "1")
    assert (three.replication, three.config["min.insync.replicas"]) == (3, "2")


def test_topics_of_unequal_counts_are_named_smallest_first() -> None:
    assert unequal({"a": 4, "b": 4}) is None
    assert unequal({"a": 4, "b": 2}) == "b has 2, a has 4"


def test_every_topic_of_the_contract_has_the_same_number_of_partitions() -> None:
    counts = {topic.name("dev"): topic.partitions for topic in declared.TOPICS}
    assert len(counts) == 21
    assert unequal(counts) is None


@pytest.mark.connected
def test_a_topic_that_only_one_broker_has_heard_of_is_not_there_yet(
    stack: Addresses, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics.make(stack.kafka, unique, partitions=1)
    admin, client = topics.admin(stack.kafka), AdminClient({"bootstrap.servers": stack.kafka})
    told_early = client.list_topics(timeout=topics.SECONDS)
    client.delete_topics([unique])[unique].result(topics.SECONDS)
    assert wait_until(lambda: unique not in admin.partition_counts(), seconds=topics.SECONDS)
    monkeypatch.setattr(admin, "_metadata", lambda: told_early)
    assert admin.find([unique]) == {}
