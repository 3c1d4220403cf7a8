"""A worker comes back with the state that it left, whatever lies in its changelog."""

import pytest
from confluent_kafka import Producer

from ops.stack import Addresses
from ops.stack.waiting import wait_until
from tests.wounds.service import key_of, order
from tests.wounds.subject import SETTLE_SECONDS, Stage, wound

pytestmark = pytest.mark.connected


@wound("recovery waits for a record at the changelog's last offset, where there is none (#176)")
def test_recovery_ends_at_a_changelog_whose_last_offset_is_the_marker_of_a_transaction(
    stage: Stage, stack: Addresses, unique: str
) -> None:
    first = stage.start()
    stage.publish(order(0))
    stage.until(lambda: stage.committed() == 1, "commit of the first order")
    first.stop()
    _repeat_last_record_in_a_transaction(stack.kafka, stage, unique)
    stage.start()
    stage.publish(order(1))
    assert wait_until(lambda: key_of(1) in stage.confirmations(), seconds=20)
    assert stage.counts() == {key_of(0): 1, key_of(1): 1}


def _repeat_last_record_in_a_transaction(bootstrap: str, stage: Stage, name: str) -> None:
    """Every fold gives the same state afterwards; only the marker that ends the transaction is new."""
    key, value = stage.records(stage.subject.changelog)[-1]
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": name})
    producer.init_transactions(SETTLE_SECONDS)
    producer.begin_transaction()
    producer.produce(stage.subject.changelog, value, key, 0)
    producer.commit_transaction(SETTLE_SECONDS)
