import itertools
from typing import Any, TypeVar

from msgspec.structs import replace

from schemas.message import Message, Meta
from schemas.orders import ConfirmOrder, OrderCreated
from streams.decision import Decision, Later, Wake
from streams.service import Service
from streams.step import MOST_PARKED, Arrival, Entry, Parked, Step, absorb
from tests.streams.wires import Bare

S = TypeVar("S")

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


def meet(service: Service[S, Any], entry: Entry[S], what: Arrival) -> Step[S] | None:
    return absorb(service, Bare(), entry, what, NOW, itertools.count(1))


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


def test_what_a_partition_of_a_sender_said_last_tells_its_repeats_whatever_key_it_decided_about() -> None:
    one, other, elsewhere = "a", "b", "c"
    assert [Bare().partition_of(key) for key in (one, other, elsewhere)] == [0, 0, 2]
    entry = absorbed(NEW, arrival(confirm(f"orders/{one}/7/1"), 5))
    assert meet(counter, entry, arrival(confirm(f"orders/{one}/7/1"), 6)) is None
    assert meet(counter, entry, arrival(confirm(f"orders/{other}/6/1"), 7)) is None
    for said in (f"orders/{one}/7/2", f"orders/{other}/8/1", f"orders/{elsewhere}/6/1", f"orders/{KEY}/6/1"):
        assert absorbed(entry, arrival(confirm(said), 8)).state == 2


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


def test_a_key_is_due_at_the_earliest_of_its_times() -> None:
    assert NEW.due is None
    assert replace(NEW, expires=0).due == 0
    assert replace(NEW, timer=3, expires=4).due == 3
    assert replace(NEW, timer=5, expires=4).due == 4
    assert replace(NEW, timer=5, expires=4, retry_at=6, parked=(Parked("a", 1, 2, None),)).due == 6


#: What a message asks of the patient service, by its id.
def wait(state: str | None, message: ConfirmOrder | Wake, at: int) -> Decision[str] | Later:
    said = message.meta.messageId if isinstance(message, ConfirmOrder) and message.meta else "woken"
    if said.startswith("later") and at < NOW + 10_000:
        return Later("not yet")
    if said.startswith("bad"):
        raise ZeroDivisionError("no")
    if said == "forget":
        return Decision(None)
    return Decision(f"{state or ''} {said}".strip(), timer=at + 5 if said == "timer" else None)


patient = Service(name="patient", state=str, decide=wait)


class Conversation:
    """One key of the patient service, from message to message."""

    def __init__(self) -> None:
        self.entry: Entry[str] = Entry()
        self.refused: list[Any] = []
        self.offset = 0
        self.now = NOW

    def hear(self, *said: str) -> None:
        for each in said:
            self.offset += 1
            self.take(arrival(confirm(each), self.offset))

    def take(self, what: Arrival) -> bool:
        step = absorb(patient, Bare(), self.entry, what._replace(at=self.now), self.now, itertools.count(1))
        if step is None:
            return False
        self.refused += step.outputs
        self.entry = step.entry or Entry()
        return True

    def wake(self, deadline: int | None = None) -> bool:
        due = self.entry.due if deadline is None else deadline
        assert due is not None
        self.now = max(self.now, due)
        self.offset += 1
        return self.take(Arrival("own", self.offset, KEY, self.now, Wake(due)))

    def wake_until_nothing_waits(self) -> None:
        while self.entry.parked:
            assert self.wake()


def test_what_comes_behind_a_message_that_waits_is_decided_behind_it() -> None:
    key = Conversation()
    key.hear("first", "later", "second", "third")
    assert (key.entry.state, len(key.entry.parked)) == ("first", 3)
    key.wake_until_nothing_waits()
    assert key.entry.state == "first later second third"
    assert (key.entry.retry_at, key.entry.attempts) == (None, 0)


def test_the_pauses_between_two_tries_double_up_to_the_longest() -> None:
    key = Conversation()
    key.hear("later")
    pauses = []
    for _ in range(12):
        key.now = NOW  # so that the cause never passes
        pauses.append((key.entry.retry_at or 0) - key.now)
        key.take(Arrival("own", key.offset + len(pauses), KEY, NOW, Wake(key.entry.retry_at or 0)))
    assert pauses == [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 60_000, 60_000]


def test_the_first_of_those_that_wait_counts_its_own_tries() -> None:
    key = Conversation()
    key.hear("later 1", "later 2", "last")
    for _ in range(3):
        key.now = NOW
        assert key.take(Arrival("own", key.offset + key.entry.attempts, KEY, NOW, Wake(key.entry.retry_at or 0)))
    assert key.entry.attempts == 4
    key.entry = replace(key.entry, parked=(key.entry.parked[2], *key.entry.parked[:2]))
    key.now = NOW
    assert key.take(Arrival("own", 99, KEY, NOW, Wake(key.entry.retry_at or 0)))
    assert key.entry.state == "last"
    assert (key.entry.attempts, key.entry.retry_at) == (1, NOW + 100)


def test_a_message_that_is_refused_after_it_waited_says_how_often_it_was_tried() -> None:
    key = Conversation()
    key.hear("later", "bad", "last")
    key.entry = replace(key.entry, parked=key.entry.parked[1:], attempts=7)
    assert key.wake()
    (_, refusal), *rest = key.refused
    assert (key.entry.state, rest, refusal.attempts) == ("last", [], 8)


def test_one_too_many_that_wait_is_a_dead_letter_and_those_before_it_stay() -> None:
    key = Conversation()
    key.hear("later", *(f"{number}" for number in range(1, MOST_PARKED)), "too many")
    ((offset, refusal),) = key.refused
    assert (len(key.entry.parked), offset, refusal.cause) == (MOST_PARKED, MOST_PARKED + 1, "too many wait")
    assert not key.take(arrival(confirm("too many"), MOST_PARKED + 1))


def test_a_repeat_of_what_waits_is_seen() -> None:
    key = Conversation()
    key.hear("later", f"orders/{KEY}/7/1")
    assert not key.take(arrival(confirm("later"), 1))
    assert not key.take(arrival(confirm(f"orders/{KEY}/7/1"), 9))
    assert key.take(arrival(confirm(f"orders/{KEY}/7/2"), 9))
    assert len(key.entry.parked) == 3


def test_a_deadline_that_passes_waits_behind_a_message_that_waits() -> None:
    key = Conversation()
    key.hear("timer", "later")
    assert key.entry.due == key.entry.retry_at == NOW + 100
    assert not key.wake(NOW + 5)
    key.entry = replace(key.entry, parked=(key.entry.parked[0]._replace(value=confirm("bad")),))
    assert key.wake()
    assert (key.entry.state, key.entry.due) == ("timer", NOW + 5)
    assert key.wake()
    assert (key.entry.state, key.entry.due) == ("timer woken", None)


def test_a_message_that_waited_is_decided_at_the_time_of_its_last_try() -> None:
    key = Conversation()
    key.hear("timer", "later")
    key.wake_until_nothing_waits()
    assert key.entry.state == "timer later"
    assert key.now >= NOW + 10_000


def test_a_message_behind_one_that_forgets_the_key_finds_it_new() -> None:
    key = Conversation()
    key.hear("first", "later", "forget", "last")
    key.wake_until_nothing_waits()
    assert key.entry.state == "last"


def test_a_record_that_could_not_be_read_waits_like_a_message() -> None:
    key = Conversation()
    key.take(Arrival("a", 1, KEY, NOW, Later("registry away"), confirm(f"orders/{KEY}/7/1")))
    key.take(arrival(confirm("second"), 2))
    assert key.entry.state is None
    key.wake_until_nothing_waits()
    assert key.entry.state == f"orders/{KEY}/7/1 second"


def test_a_record_that_could_not_be_read_turns_out_to_be_a_repeat() -> None:
    key = Conversation()
    key.take(arrival(confirm(f"orders/{KEY}/7/1"), 1))
    key.take(Arrival("a", 2, KEY, NOW, Later("registry away"), confirm(f"orders/{KEY}/7/1")))
    assert len(key.entry.parked) == 1
    key.wake_until_nothing_waits()
    assert key.entry.state == f"orders/{KEY}/7/1"


def test_what_was_read_only_now_is_known_when_it_comes_again() -> None:
    key = Conversation()
    key.take(Arrival("a", 1, KEY, NOW, Later("registry away"), confirm(f"orders/{KEY}/7/1")))
    key.wake_until_nothing_waits()
    assert not key.take(arrival(confirm(f"orders/{KEY}/7/1"), 2))


def test_a_key_that_expires_is_forgotten_without_asking() -> None:
    key = Conversation()
    key.entry = Entry(version=1, state="old", expires=NOW + 50)
    assert not key.wake(NOW + 49)
    step = meet(patient, key.entry, Arrival("own", 7, KEY, NOW + 50, Wake(NOW + 50)))
    assert step == Step(None)


def test_whoever_waits_comes_before_the_end_of_the_key() -> None:
    key = Conversation()
    key.entry = Entry(version=1, state="old", expires=NOW + 50)
    key.hear("later")
    assert not key.wake(NOW + 50)
    key.wake_until_nothing_waits()
    assert (key.entry.state, key.entry.expires) == ("old later", None)


def test_a_deadline_at_the_end_of_the_key_is_the_deciders_to_answer() -> None:
    key = Conversation()
    key.entry = Entry(version=1, state="old", timer=NOW + 50, expires=NOW + 50)
    assert key.wake(NOW + 50)
    assert key.entry.state == "old woken"
