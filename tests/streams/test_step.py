from typing import Any

from msgspec.structs import replace

from schemas.message import Message, Meta
from schemas.orders import ConfirmOrder, OrderCreated
from streams.decision import Decision, Wake
from streams.service import Service
from streams.step import Arrival, Entry, Step, absorb
from tests.streams.wires import Bare

KEY = "00000000-0000-4000-8000-000000000001"
NEW: Entry[int] = Entry()
NOW = 1_000_000


def count(state: int | None, message: ConfirmOrder | OrderCreated | Wake, at: int) -> Decision[int]:
    """One more; the timer is left set only by a message."""
    return Decision((state or 0) + 1, timer=None if isinstance(message, Wake) else at + 10)


counter = Service(name="counter", state=int, decide=count)


def confirm(message_id: str | None) -> ConfirmOrder:
    return ConfirmOrder(orderId=KEY, meta=None if message_id is None else Meta(messageId=message_id))


def arrival(message: Message | Wake, offset: int, topic: str = "a") -> Arrival:
    return Arrival(topic, offset, KEY, 1_000, message)


def meet(service: Service[int, Any], entry: Entry[int], what: Arrival) -> Step[int] | None:
    return absorb(service, Bare(), entry, what, now=NOW)


def absorbed(entry: Entry[int], what: Arrival) -> Entry[int]:
    step = meet(counter, entry, what)
    assert step is not None
    assert step.entry is not None
    return step.entry


def test_an_offset_is_absorbed_once_per_topic() -> None:
    entry = absorbed(NEW, arrival(confirm(None), 5))
    assert meet(counter, entry, arrival(confirm(None), 5)) is None
    assert meet(counter, entry, arrival(confirm(None), 4)) is None
    assert absorbed(entry, arrival(confirm(None), 5, topic="b")).state == 2


def test_a_senders_output_published_again_is_known_by_its_decision_number() -> None:
    entry = absorbed(NEW, arrival(confirm(f"orders/{KEY}/7/2"), 5))
    for again in (f"orders/{KEY}/7/2", f"orders/{KEY}/7/1", f"orders/{KEY}/6/1"):
        assert meet(counter, entry, arrival(confirm(again), 6)) is None
    for new in (f"orders/{KEY}/7/3", f"orders/{KEY}/8/1", f"other/{KEY}/1/1", "stranger"):
        assert absorbed(entry, arrival(confirm(new), 6)).state == 2


def test_a_later_decision_heard_on_one_topic_says_nothing_about_another() -> None:
    entry = absorbed(NEW, arrival(confirm(f"orders/{KEY}/8/1"), 5, topic="a"))
    assert absorbed(entry, arrival(confirm(f"orders/{KEY}/7/1"), 5, topic="b")).state == 2


def test_a_senders_number_for_another_key_is_no_repeat() -> None:
    entry = absorbed(NEW, arrival(confirm("orders/another-key/7/1"), 5))
    assert absorbed(entry, arrival(confirm("orders/another-key/7/1"), 6)).state == 2


def test_a_strangers_id_of_our_shape_is_just_an_id() -> None:
    entry = absorbed(NEW, arrival(confirm(f"a/{KEY}/b/c"), 5))
    assert absorbed(entry, arrival(confirm(f"a/{KEY}/b/c"), 6)).state == 2


def test_only_the_timer_that_stands_wakes() -> None:
    entry = absorbed(NEW, arrival(confirm(None), 5))
    assert entry.timer == 1_010
    assert meet(counter, entry, arrival(Wake(1_009), 0, topic="timers")) is None
    woken = absorbed(entry, arrival(Wake(1_010), 0, topic="timers"))
    assert (woken.state, woken.timer) == (2, None)
    assert meet(counter, woken, arrival(Wake(1_010), 1, topic="timers")) is None


def test_a_refused_record_is_absorbed_and_leaves_state_and_timer_alone() -> None:
    def fails(state: int | None, message: ConfirmOrder, at: int) -> Decision[int]:
        raise ZeroDivisionError("no")

    entry = replace(absorbed(NEW, arrival(confirm(None), 5)), state=41)
    step = meet(Service(name="fails", state=int, decide=fails), entry, arrival(confirm(None), 6))
    assert isinstance(step, Step)
    (refusal,) = step.refusals
    assert refusal.cause == "ZeroDivisionError: no"
    assert step.outputs == ((6, refusal),)
    assert step.entry is not None
    assert (step.entry.state, step.entry.timer, step.entry.absorbed) == (41, 1_010, {"a": 6})


def test_what_a_decision_may_not_do_is_refused_with_its_reason() -> None:
    def sends(state: int | None, message: ConfirmOrder, at: int) -> Decision[int]:
        return Decision(1, sends=(message,))

    def waits(state: int | None, message: ConfirmOrder, at: int) -> Decision[int]:
        return Decision(1, timer=at)

    for decide, reason in ((sends, "sends ConfirmOrder, which its declaration"), (waits, "takes no Wake")):
        step = meet(Service(name="bad", state=int, decide=decide), NEW, arrival(confirm(None), 0))
        assert step is not None
        (refusal,) = step.refusals
        assert reason in refusal.cause


def test_a_key_that_was_forgotten_does_not_use_its_old_numbers_again() -> None:
    first = absorbed(NEW, arrival(confirm(None), 5))
    again = absorbed(NEW, arrival(confirm(None), 6)._replace(at=5_000))
    assert again.version > first.version + 1


def test_a_key_is_due_at_the_earliest_of_its_times() -> None:
    assert NEW.due is None
    assert replace(NEW, expires=0).due == 0
    assert replace(NEW, timer=3, expires=4, retry_at=5).due == 3
    assert replace(NEW, timer=5, expires=4, retry_at=3).due == 3
