"""How far every checkout has come, from the messages that tell. They may come in any order, and again."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import ceil

from schemas.checkout import CheckoutCompleted, CheckoutFailed, CheckoutFailureReason, CheckoutRejected, StartCheckout
from schemas.inventory import ReleaseInventory, ReserveInventory
from schemas.message import Message
from schemas.orders import ConfirmOrder, CreateOrder, OrderRejected
from schemas.payments import AuthorizePayment, CapturePayment, RefundPayment, VoidPayment
from schemas.shopping import CartCheckedOut


class Stage(IntEnum):
    """Where a checkout stands. The topics that tell are read in no order, so the furthest that was heard of counts."""

    STARTED = 0
    RESERVE_INVENTORY = 1
    AUTHORIZE_PAYMENT = 2
    CREATE_ORDER = 3
    CAPTURE_PAYMENT = 4
    CONFIRM_ORDER = 5
    UNDOING = 6


_REACHED: Mapping[type[Message], Stage] = {
    ReserveInventory: Stage.RESERVE_INVENTORY,
    AuthorizePayment: Stage.AUTHORIZE_PAYMENT,
    CreateOrder: Stage.CREATE_ORDER,
    CapturePayment: Stage.CAPTURE_PAYMENT,
    ConfirmOrder: Stage.CONFIRM_ORDER,
    ReleaseInventory: Stage.UNDOING,
    VoidPayment: Stage.UNDOING,
    RefundPayment: Stage.UNDOING,
}
#: Of these the saga says less than the gateway, whose word stands in the detail.
_OF_THE_GATEWAY = {CheckoutFailureReason.PAYMENT_FAILED, CheckoutFailureReason.CAPTURE_FAILED}


@dataclass(frozen=True, slots=True)
class Tally:
    """What has become of all carts up to a moment."""

    #: Checkouts that were started.
    sagas: int
    completed: int
    #: By step and reason.
    failed: Mapping[str, Mapping[str, int]]
    #: Carts and orders that were turned away, by reason.
    rejected: Mapping[str, int]
    under_way: Mapping[Stage, int]
    #: Steps that had been done and are undone.
    compensated: int
    #: From CartCheckedOut to CheckoutCompleted, between the timestamps of their records; of first attempts.
    p50_ms: int | None
    p99_ms: int | None
    #: Checkouts ended, in the time from the first start to the last end.
    sagas_per_s: float

    @property
    def ended(self) -> int:
        return self.sagas - sum(self.under_way.values())


@dataclass(slots=True)
class _Checkout:
    #: Empty until its start was seen.
    cart_id: str = ""
    attempt: int = 0
    stage: Stage = Stage.STARTED
    #: Millis: when the record was written that started it, and the one that ended it.
    started_at: int = 0
    ended_at: int = 0
    failure: CheckoutFailed | None = None


class Watch:
    """Of one run: it grows with what was published there."""

    def __init__(self) -> None:
        self._checkouts: defaultdict[str, _Checkout] = defaultdict(_Checkout)
        self._checked_out_at: dict[str, int] = {}
        #: By cart or order, since repeats count once: the reasons by which it was turned away.
        self._rejected: defaultdict[str, set[str]] = defaultdict(set)

    def saw(self, message: Message, at: int) -> None:
        """`at`: the timestamp of its record, in millis."""
        match message:
            case CartCheckedOut():
                # The first begins the first attempt; what comes later repeats it, or begins another.
                self._checked_out_at[message.cartId] = min(at, self._checked_out_at.get(message.cartId, at))
            case StartCheckout():
                checkout = self._checkouts[message.checkoutId]
                checkout.cart_id, checkout.attempt, checkout.started_at = message.cartId, message.attempt, at
            case CheckoutCompleted():
                self._checkouts[message.checkoutId].ended_at = at
            case CheckoutFailed():
                checkout = self._checkouts[message.checkoutId]
                checkout.ended_at, checkout.failure = at, message
            case CheckoutRejected():
                self._rejected[message.cartId].add(message.reason)
            case OrderRejected():
                self._rejected[message.orderId].add(message.reason)
            case _:
                if (stage := _REACHED.get(type(message))) is not None and message.record_key is not None:
                    checkout = self._checkouts[message.record_key]
                    checkout.stage = max(checkout.stage, stage)

    def without_end(self, carts: Iterable[str]) -> dict[str, str]:
        """Those of them that are not over, and where they stand."""
        standing = {cart: "no answer yet" for cart in carts if cart not in self._rejected}
        for checkout in self._started().values():
            if checkout.ended_at:
                standing.pop(checkout.cart_id, None)
        for checkout in self._started().values():
            if not checkout.ended_at:
                standing[checkout.cart_id] = f"at {checkout.stage.name}"
        return standing

    def tally(self) -> Tally:
        started = self._started()
        ended = [each for each in started.values() if each.ended_at]
        failures = [each.failure for each in ended if each.failure is not None]
        failed: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for failure in failures:
            failed[failure.step][_reason(failure)] += 1
        took = sorted(
            each.ended_at - self._checked_out_at[each.cart_id]
            for each in ended
            if each.failure is None and each.attempt == 1 and each.cart_id in self._checked_out_at
        )
        return Tally(
            sagas=len(started),
            completed=len(ended) - len(failures),
            failed={step: dict(reasons) for step, reasons in failed.items()},
            # The rejection of an order whose checkout is under way is a step of that.
            rejected=dict(
                Counter(reason for key, reasons in self._rejected.items() if key not in started for reason in reasons)
            ),
            under_way=dict(Counter(each.stage for each in started.values() if not each.ended_at)),
            compensated=sum(len(failure.compensated) for failure in failures),
            p50_ms=percentile(took, 50),
            p99_ms=percentile(took, 99),
            sagas_per_s=_rate(ended),
        )

    def _started(self) -> dict[str, _Checkout]:
        return {checkout_id: each for checkout_id, each in self._checkouts.items() if each.cart_id}


def percentile(ordered: Sequence[int], percent: int) -> int | None:
    """The smallest of them that `percent` of them don't exceed."""
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)] if ordered else None


def _rate(ended: Collection[_Checkout]) -> float:
    if not ended:
        return 0.0
    millis = max(each.ended_at for each in ended) - min(each.started_at for each in ended)
    return round(len(ended) * 1_000 / max(millis, 1), 1)


def _reason(failure: CheckoutFailed) -> str:
    return failure.detail if failure.detail and failure.reason in _OF_THE_GATEWAY else failure.reason.value
