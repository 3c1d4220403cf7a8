"""What must hold of one payment: the gateway's ledger against what was told, and against what was bought."""

from collections import Counter
from collections.abc import Iterable, Iterator

from agents.payments.gateway import Authorized, Captured, Declined, Refunded, Voided
from ops.audit.checkouts import Case
from ops.audit.violation import Rule, Violation
from schemas.checkout import CheckoutCompleted, CheckoutFailed
from schemas.orders import OrderCancelled
from schemas.payments import PaymentCaptured, PaymentVoided, RefundProcessed


def moves_once(case: Case) -> Iterator[Violation]:
    """One authorization, one capture, one way back at most."""
    done = Counter(type(movement.outcome) for movement in case.moved)
    asked = {"authorized": done[Authorized] + done[Declined], "captured": done[Captured]}
    asked |= {"let go of": done[Voided], "given back": done[Refunded]}
    if often := [f"{how} {times} times" for how, times in asked.items() if times > 1]:
        yield case.violation(Rule.MONEY_MOVES_ONCE, f"the gateway has {', '.join(often)}", PaymentCaptured)


def paid_is_what_was_bought(case: Case) -> Iterator[Violation]:
    """Nothing where there is no order: not if it failed, nor if it was cancelled, nor if it never was."""
    end = case.stands
    due = _amounts((end.currency, end.total) for end in (end,) if end)
    kept = _kept(case)
    if kept != due:
        text = f"the gateway has kept {_text(kept)}, and should {_text(due)}"
        yield case.violation(
            Rule.PAID_IS_BOUGHT, text, CheckoutCompleted, CheckoutFailed, OrderCancelled, PaymentCaptured
        )


def nothing_stays_held(case: Case) -> Iterator[Violation]:
    done = {type(movement.outcome) for movement in case.moved}
    if Authorized in done and not done & {Voided, Captured}:
        text = "the gateway holds money that is neither taken nor let go of"
        yield case.violation(Rule.NO_MONEY_STUCK, text, CheckoutCompleted, CheckoutFailed, PaymentVoided)


def told_is_what_moved(case: Case) -> Iterator[Violation]:
    # Told again it is the same fact, under another id.
    captured = {(each.capturedAt, each.currency, each.amount) for each in case.said.of(PaymentCaptured)}
    refunded = {(each.refundId, each.currency, each.amount) for each in case.said.of(RefundProcessed)}
    for outcome, told in ((Captured, captured), (Refunded, refunded)):
        moved = _amounts((each.currency, each.amount) for each in case.moved if isinstance(each.outcome, outcome))
        said = _amounts((currency, amount) for _, currency, amount in told)
        if moved != said:
            text = f"{outcome.__name__}: the ledger has {_text(moved)}, and {_text(said)} was told"
            yield case.violation(Rule.TOLD_IS_MOVED, text, PaymentCaptured, RefundProcessed)


def _kept(case: Case) -> Counter[str]:
    signs = {Captured: 1, Refunded: -1}
    return _amounts((each.currency, signs.get(type(each.outcome), 0) * each.amount) for each in case.moved)


def _amounts(figures: Iterable[tuple[str, int]]) -> Counter[str]:
    """By currency."""
    total: Counter[str] = Counter()
    for currency, amount in figures:
        total[currency] += amount
    return Counter({currency: amount for currency, amount in total.items() if amount})


def _text(amounts: Counter[str]) -> str:
    return ", ".join(f"{amount} {currency}" for currency, amount in sorted(amounts.items())) or "nothing"
