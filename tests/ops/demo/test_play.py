"""The play with a reader, a publisher and workers that only say what they are told to."""

from collections import deque
from collections.abc import Iterator
from typing import cast

import pytest

from ops.demo import play as play_module
from ops.demo.errors import UnendedError
from ops.demo.play import Play, Progress
from ops.demo.poison import Spot
from ops.demo.reader import DeadLetter, Heard, Reader
from ops.gateway.ledger import Ledger
from ops.load import Sent
from ops.rig.errors import UnreadyError
from ops.rig.fleet import Fleet
from ops.rig.publisher import Publisher
from schemas.checkout import CheckoutRejected, StartCheckout
from schemas.examples import CART, example_of
from schemas.inventory import InventoryAdjusted, ReserveInventory
from schemas.message import Message
from schemas.shopping import CartCheckedOut

SPOT = Spot("orders", "orders.demo.commands", 2, 7)
STOCKTAKE = example_of(ReserveInventory)


class Says:
    """A reader."""

    def __init__(self, *news: Heard | DeadLetter) -> None:
        self._news = deque(news)

    def read(self, _seconds: float) -> Iterator[Heard | DeadLetter]:
        while self._news:
            yield self._news.popleft()


class Idle:
    """Workers."""

    def check(self) -> None: ...

    def is_idle(self) -> bool:
        return True


class Remembers:
    """A publisher."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.flushed = False

    def send(self, message: Message) -> None:
        self.sent.append(message)

    def flush(self) -> None:
        self.flushed = True


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOOK_SECONDS", "SILENT_SECONDS", "END_SECONDS", "STOCKED_SECONDS", "FRAME_SECONDS"):
        monkeypatch.setattr(play_module, name, 0.05)


def playing(
    *news: Heard | DeadLetter, publisher: Remembers | None = None, frames: list[Progress] | None = None
) -> Play:
    reader, publishes, fleet = Says(*news), publisher or Remembers(), Idle()
    show = ([] if frames is None else frames).append
    return Play(cast("Reader", reader), cast("Publisher", publishes), cast("Fleet", fleet), Ledger(), show)


def test_a_cart_without_an_end_is_named_with_where_it_stands() -> None:
    play = playing(Heard(example_of(StartCheckout), 1))
    with pytest.raises(UnendedError, match="1 carts have no end") as error:
        play.end([CART], STOCKTAKE, set())
    assert error.value.standing == {CART: "at STARTED"}
    assert f"{CART}: at STARTED" in str(error.value)


def test_a_run_where_all_is_as_it_should_be_has_no_violations() -> None:
    publisher = Remembers()
    play = playing(Heard(example_of(CheckoutRejected), 1), DeadLetter(*SPOT, "poison", None), publisher=publisher)
    assert play.end([], STOCKTAKE, {SPOT}) == ()
    assert publisher.sent == [STOCKTAKE]
    assert len(play.dead_letters) == 1


def test_what_the_audit_finds_is_a_violation() -> None:
    play = playing(Heard(example_of(CartCheckedOut), 1))
    assert any(CART in each for each in play.end([], STOCKTAKE, set()))


def test_what_lies_in_the_dead_letters_and_is_no_poison_is_a_violation() -> None:
    assert len(playing(DeadLetter(*SPOT, "a bug", None)).end([], STOCKTAKE, set())) == 1


def test_a_load_is_published_in_its_order_and_all_of_it() -> None:
    publisher, frames = Remembers(), list[Progress]()
    messages = [example_of(kind) for kind in (CartCheckedOut, StartCheckout, CheckoutRejected)]
    play = playing(publisher=publisher, frames=frames)
    play.publish([Sent(after, message) for after, message in zip((0, 60, 120), messages, strict=True)])
    assert (publisher.sent, publisher.flushed) == (messages, True)
    assert (frames[-1].published, frames[-1].of) == (2, 3), "it was not shown while it ran"


def test_customers_wait_until_the_shelves_are_full() -> None:
    adjusted = example_of(InventoryAdjusted)
    playing(Heard(adjusted, 1)).await_stock([adjusted.product_id])
    with pytest.raises(UnreadyError, match="1 products are not on the shelves"):
        playing().await_stock([adjusted.product_id])
