from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.message import Meta
from schemas.orders import ConfirmOrder
from streams.decision import Decision, Later, Wake
from streams.memory.twin import Twin, by_chance
from streams.service import Service

START = 1_700_000_000_000
#: The cause of a wait passes after so long.
AWAY = 5_000


def id_of(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def listen(state: str | None, message: ConfirmOrder | Wake, at: int) -> Decision[str] | Later:
    """Writes down what it hears, in order; some of it only once the cause has passed."""
    said = message.meta.messageId if isinstance(message, ConfirmOrder) and message.meta else "woken"
    if said.startswith("later") and at < START + AWAY:
        return Later("away")
    if said.startswith("bad"):
        raise ValueError("bad")
    timer = at + 1_000 if said.startswith("timer") else None
    return Decision(f"{state or ''} {said}".strip(), timer=timer)


listener = Service(name="listener", state=str, decide=listen)


def heard(*said: str, others: int = 0, until: int | None = None, **faults: Any) -> Twin:
    twin = Twin([listener], partitions=1, **faults)
    twin.advance(START)
    for each in said:
        twin.publish(ConfirmOrder(orderId=id_of(0), meta=Meta(messageId=each)))
        for other in range(1, others + 1):
            twin.publish(ConfirmOrder(orderId=id_of(other), meta=Meta(messageId="hello")))
    twin.run(until=until)
    return twin


@given(seed=st.integers(0, 2**32))
def test_messages_wait_in_order_through_crashes_and_upheavals(seed: int) -> None:
    twin = heard(
        *("first", "later 1", "bad", "later 2", "last"),
        seed=seed,
        crash=by_chance(seed, 30),
        upheaval=by_chance(seed + 1, 30),
    )
    assert twin.states(listener) == {id_of(0): "first later 1 later 2 last"}
    assert {letter.offset for letter in twin.dead_letters} == {2}
    assert twin.now >= START + AWAY


def test_a_message_that_waits_holds_up_no_other_key() -> None:
    twin = heard("later", "last", others=2, until=START)
    assert twin.states(listener) == {id_of(0): None, id_of(1): "hello hello", id_of(2): "hello hello"}


def test_a_deadline_that_passes_meanwhile_comes_once_nobody_waits() -> None:
    # Not so, its wake-ups would fill the queue of the key, and the next message would be one too many.
    twin = heard("timer", "later bad", until=START + 2_000)
    twin.publish(ConfirmOrder(orderId=id_of(0), meta=Meta(messageId="bad")))
    twin.run()
    assert twin.states(listener) == {id_of(0): "timer later bad"}
    assert len(twin.dead_letters) == 1
    assert twin.published < 20


def test_a_key_with_too_many_that_wait_refuses_the_rest_and_keeps_those_it_has() -> None:
    twin = heard("later", *map(str, range(150)))
    assert twin.states(listener) == {id_of(0): " ".join(["later", *map(str, range(99))])}
    assert {letter.refusal.cause for letter in twin.dead_letters} == {"too many wait"}
    assert [letter.offset for letter in twin.dead_letters] == list(range(100, 151))
