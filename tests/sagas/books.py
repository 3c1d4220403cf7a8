"""Whether stock and money add up: what the services keep, against what came in and what the gateway did."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from agents.inventory.state import Status as Reserved
from agents.orders.state import Status as Ordered
from agents.payments.gateway import Authorized, Captured, Refunded, Voided
from ops.gateway.ledger import Movement

States = Callable[[str], Mapping[str, Any]]
_SOLD = {Ordered.CONFIRMED, Ordered.COMPLETED}


def differences(states: States, movements: Iterable[Movement], stock: Mapping[str, int]) -> list[str]:
    """What does not add up once nothing is under way; nothing if all does."""
    return [*_of_stock(states, stock), *_of_money(states("orders"), movements)]


def _of_stock(states: States, stock: Mapping[str, int]) -> Iterable[str]:
    taken: dict[str, int] = defaultdict(int)
    for key, reservation in states("inventory").items():
        sold = getattr(states("orders").get(key), "status", None) in _SOLD
        if (reservation.status is Reserved.TAKEN) != sold:
            yield f"reservation {key} is {reservation.status}, and its order is {states('orders').get(key)}"
        if reservation.status is Reserved.TAKEN:
            for product, pieces in reservation.held.items():
                taken[product] += pieces
    for product, pieces in stock.items():
        kept = states("stock").get(product)
        left = (kept.available, kept.held) if kept else None
        if left != (pieces - taken[product], 0):
            yield f"{product}: of {pieces} pieces {taken[product]} were sold, and (available, held) are {left}"


def _of_money(orders: Mapping[str, Any], movements: Iterable[Movement]) -> Iterable[str]:
    done: dict[str, list[Movement]] = defaultdict(list)
    for movement in movements:
        done[movement.payment_id].append(movement)
    for key in done.keys() | orders.keys():
        held = _sum(done[key], Authorized)
        captured, refunded, voided = (_sum(done[key], kind) for kind in (Captured, Refunded, Voided))
        order = orders.get(key)
        due = order.purchase.total if order is not None and order.status in _SOLD else 0
        if captured - refunded != due or held != captured + voided:
            yield f"payment {key}: {due} is due, of {held} held {captured} was taken, {refunded} given back; {order}"


def _sum(movements: Iterable[Movement], kind: type) -> int:
    return sum(movement.amount for movement in movements if isinstance(movement.outcome, kind))
