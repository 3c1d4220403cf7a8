"""Whether an order or a cent was lost: all that was ever said, against itself and against the gateway's ledger."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from ops.audit import carts, checkouts, money, shelves
from ops.audit.books import Books
from ops.audit.checkouts import Case
from ops.audit.files import File
from ops.audit.violation import Rule, Violation
from ops.gateway.ledger import Movement
from schemas.checkout import StartCheckout
from schemas.message import Message

_AT_ANY_TIME = (checkouts.one_end_at_most, money.moves_once)
_SETTLED = (
    checkouts.has_an_end,
    checkouts.is_taken_on,
    checkouts.completed_is_paid_and_promised,
    checkouts.compensated_is_what_was_done,
    checkouts.statuses_have_no_gap,
    checkouts.pieces_are_where_they_belong,
    money.paid_is_what_was_bought,
    money.nothing_stays_held,
    money.told_is_what_moved,
)


def violations(
    messages: Iterable[Message],
    ledger: Iterable[Movement],
    *,
    refused: Iterable[Message] = (),
    settled: bool = True,
) -> list[Violation]:
    """Every rule that is broken, in time and memory of the number of messages.

    `messages`: of all topics, in any order, repeats and all. `refused`: those that lie in the dead letters. `settled`:
    nothing is under way any more; else only what must hold at any time is looked at.
    """
    books = Books()
    for message in messages:
        books.hear(message)
    for message in refused:
        books.refuse(message)
    moved: dict[str, list[Movement]] = defaultdict(list)
    for movement in ledger:
        moved[movement.payment_id].append(movement)
    return [*books.contradictions, *_of_checkouts(books, moved, settled=settled), *_of_the_rest(books, settled=settled)]


def _of_checkouts(books: Books, moved: dict[str, list[Movement]], *, settled: bool) -> Iterator[Violation]:
    # Money may have moved for a checkout that nobody has said anything of.
    for key in dict.fromkeys((*books.checkouts, *moved)):
        case = Case(key, books.checkouts.get(key) or File(), moved.get(key, ()))
        for rule in _AT_ANY_TIME + (_SETTLED if settled else ()):
            yield from rule(case)
    for (cart, attempt), ids in books.attempts.items():
        if len(ids) > 1:
            starts = tuple(start for each in ids for start in books.checkouts[each].of(StartCheckout))
            text = f"attempt {attempt} has {len(ids)} checkouts: {', '.join(sorted(ids))}"
            yield Violation(Rule.ONE_CHECKOUT_AN_ATTEMPT, cart, text, starts)


def _of_the_rest(books: Books, *, settled: bool) -> Iterator[Violation]:
    for product, shelf in books.shelves.items():
        yield from shelves.at_any_time(product, shelf)
        if settled:
            yield from shelves.settled(product, shelf)
    for cart, said in books.carts.items() if settled else ():
        yield from carts.is_answered(cart, said)
