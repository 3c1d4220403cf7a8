"""A message that was not dealt with is neither lost nor forgotten: it comes again, or an operator finds it."""

import pytest

from ops.stack import Addresses
from ops.stack.waiting import wait_until
from tests import topics
from tests.wounds.service import OUTSIDE, POISON, key_of, order
from tests.wounds.subject import Engine, Stage, wound

pytestmark = pytest.mark.connected

#: Too little for a confirmation, whatever carries it.
TINY = {"max.message.bytes": "10"}

SOON_SECONDS = 10.0


@wound("offset 1 in flight, 2 and 3 acknowledged, 1 committed: the next commit is 4 (#606)")
def test_a_message_that_waits_for_the_outside_outlives_the_worker(stage: Stage) -> None:
    first = stage.start()
    stage.publish(order(0))
    stage.until(lambda: stage.committed() == 1, "commit of the first order")
    stage.publish(order(1, OUTSIDE), order(2), order(3))
    stage.until(lambda: stage.committed() == 4, "commit of the last order")
    first.kill()
    stage.open_gate()
    stage.start()
    stage.publish(order(4))
    stage.until(lambda: key_of(4) in stage.confirmations(), "confirmation by the next worker")
    # The outside answers when it answers, and the next order need not wait for it.
    assert wait_until(lambda: key_of(1) in stage.confirmations(), seconds=SOON_SECONDS)


@wound("the message that an agent stumbles over is acknowledged, and written down nowhere")
def test_a_message_that_cannot_be_decided_is_a_dead_letter(stage: Stage) -> None:
    stage.start()
    stage.publish(order(0, POISON), order(1))
    stage.until(lambda: stage.committed() == 2, "commit past the message")
    assert len(stage.records(stage.subject.dead_letters)) == 1


@wound("the message that can't be read is acknowledged, and written down nowhere")
def test_a_message_that_cannot_be_read_is_a_dead_letter(stage: Stage) -> None:
    stage.start()
    stage.publish_raw((key_of(0), b"not a record of ours"))
    stage.publish(order(1))
    stage.until(lambda: stage.committed() == 2, "commit past the message")
    assert len(stage.records(stage.subject.dead_letters)) == 1


@wound("a delivery that fails is a line in the log, and its input is committed")
def test_what_the_broker_refused_is_sent_once_it_takes_it(bare: Stage, stack: Addresses) -> None:
    bare.set(TINY)
    first = bare.start()
    bare.publish(order(0))
    bare.until(lambda: first.ended or bare.committed() == 1, "first attempt")
    first.kill()
    topics.alter(stack.kafka, bare.events, "max.message.bytes", "1000000")
    bare.start()
    bare.publish(order(1))
    bare.until(lambda: key_of(1) in bare.confirmations(), "confirmation of the next order")
    assert key_of(0) in bare.confirmations()


@wound("it goes on at the offset that it had reached in the topic that was there before")
def test_a_topic_that_was_made_anew_is_read_from_its_beginning(stage: Stage) -> None:
    worker = stage.start()
    stage.publish(*map(order, range(5)))
    stage.until(lambda: stage.committed() == 5, "commit of the first orders")
    # Asleep, but not for as long as its session: it must not chance to look while there is no topic at all.
    worker.freeze()
    stage.make_anew(stage.commands)
    anew = range(5, 15)
    stage.publish(*map(order, anew))
    worker.thaw()
    stage.until(lambda: key_of(14) in stage.confirmations(), "confirmation of the last order")
    # Who reads on at once where it was finds the end of the new topic first, and its beginning when it next looks.
    assert wait_until(lambda: {key_of(name) for name in anew} <= set(stage.confirmations()), seconds=45)


@pytest.mark.parametrize("subject", [Engine])
def test_what_comes_by_a_topic_that_was_made_anew_meanwhile_is_not_taken_for_a_repeat(stage: Stage) -> None:
    # Of ours alone: it skips what a key has absorbed by its offset, and here the offsets begin anew.
    first = stage.start()
    stage.publish(*map(order, range(5)))
    stage.until(lambda: stage.committed() == 5, "commit of the first orders")
    first.stop()
    stage.make_anew(stage.commands)
    stage.publish(*map(order, range(5)))
    stage.start()
    stage.until(lambda: stage.committed() == 5, "commit of the next orders")
    assert stage.counts() == {key_of(name): 2 for name in range(5)}
