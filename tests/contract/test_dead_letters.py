from hypothesis import given
from hypothesis import strategies as st

from schemas.message import Meta
from schemas.orders import ConfirmOrder
from streams.decision import Decision
from streams.memory.twin import Twin, by_chance
from streams.service import Service

KEY = "00000000-0000-4000-8000-000000000001"


def accept(state: int | None, message: ConfirmOrder, at: int) -> Decision[int]:
    if message.meta and message.meta.messageId.startswith("bad"):
        raise ValueError("bad")
    return Decision((state or 0) + 1)


picky = Service(name="picky", state=int, decide=accept)


def twin_of(seed: int) -> Twin:
    return Twin([picky], seed=seed, partitions=1, crash=by_chance(seed, 20), upheaval=by_chance(seed + 1, 30))


@given(st.lists(st.booleans(), min_size=1, max_size=12), st.integers(0, 2**32))
def test_every_message_is_decided_or_a_dead_letter_whatever_crashes(good: list[bool], seed: int) -> None:
    twin = twin_of(seed)
    for number, each in enumerate(good):
        twin.publish(ConfirmOrder(orderId=KEY, meta=Meta(messageId=f"{'good' if each else 'bad'}-{number}")))
    twin.run()
    assert twin.states(picky).get(KEY, 0) == sum(good)
    assert {letter.offset for letter in twin.dead_letters} == {at for at, each in enumerate(good) if not each}


def test_a_dead_letter_says_what_it_was_and_where_it_lay() -> None:
    twin = Twin([picky], partitions=1)
    twin.publish(ConfirmOrder(orderId=KEY, meta=Meta(messageId="bad")))
    twin.run()
    (letter,) = twin.dead_letters
    assert (letter.service, letter.topic, letter.offset, letter.record.key) == ("picky", "orders.twin.commands", 0, KEY)
    assert letter.refusal.cause == "ValueError: bad"
