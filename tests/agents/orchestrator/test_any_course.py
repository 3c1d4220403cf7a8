"""Whatever happens to one checkout, in any order: it ends once, and what it says at its end is so."""

from collections import defaultdict, deque
from collections.abc import Mapping

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agents.orchestrator.state import Phase
from schemas.checkout import CheckoutCompleted, CheckoutFailed
from schemas.examples import CHECKOUT
from schemas.message import Message
from schemas.orders import CancellationReason, CancelOrder, OrderCancelled, OrderConfirmed
from schemas.topics import INVENTORY_COMMANDS, ORDERS_COMMANDS, PAYMENTS_COMMANDS
from tests.agents.orchestrator.story import START, Saga
from tests.agents.orchestrator.world import Answers, Inventory, Money, Order, Orders, Payments, Stock

CANCEL = CancelOrder(orderId=CHECKOUT, reason=CancellationReason.CUSTOMER_REQUESTED)
WELL = st.sampled_from([True, True, True, False])
SERVICES = ("inventory", "payments", "orders")
#: Who reads what: a topic keeps its order, two topics don't.
COMMANDS = {"inventory": INVENTORY_COMMANDS, "payments": PAYMENTS_COMMANDS, "orders": ORDERS_COMMANDS}

Queues = dict[str, deque[Message]]


class Course(RuleBasedStateMachine):
    """Silence is time that passes while nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.saga = Saga()
        self.inventory, self.payments, self.orders = Inventory(), Payments(), Orders()
        self.cancelled = False
        self.services: Mapping[str, Inventory | Payments | Orders] = {
            "inventory": self.inventory,
            "payments": self.payments,
            "orders": self.orders,
        }
        #: By the service that reads it: its commands, and what it hears of orders.
        self.commands: Queues = {name: deque() for name in SERVICES}
        self.heard: Queues = {name: deque() for name in ("inventory", "payments")}
        #: By the service that sent it, to be read by the saga; and all that was ever sent.
        self.answers: Queues = {name: deque() for name in SERVICES}
        self.told: Mapping[str, list[Message]] = defaultdict(list)

    @initialize()
    def start(self) -> None:
        self._tell(self.saga.hear(START))

    @rule()
    def start_again(self) -> None:
        assert self.saga.hear(START) == []

    @rule(name=st.sampled_from(SERVICES), well=WELL)
    def do(self, name: str, well: bool) -> None:
        if self.commands[name]:
            self._answer(name, self.services[name].hear(self.commands[name].popleft(), well=well))

    @rule(name=st.sampled_from(SERVICES))
    def answer(self, name: str) -> None:
        if self.answers[name]:
            self._tell(self.saga.hear(self.answers[name].popleft()))

    @rule(name=st.sampled_from(("inventory", "payments")))
    def hear_of_orders(self, name: str) -> None:
        if self.heard[name]:
            self._answer(name, self.services[name].hear(self.heard[name].popleft(), well=True))

    @precondition(lambda self: self.payments.busy)
    @rule(well=WELL)
    def gateway(self, well: bool) -> None:
        self._answer("payments", self.payments.gateway(well=well))

    @precondition(lambda self: self.saga.timer is not None)
    @rule()
    def silence(self) -> None:
        self._tell(self.saga.silence())

    @rule(name=st.sampled_from(SERVICES), data=st.data())
    def repeat(self, name: str, data: st.DataObject) -> None:
        """Somebody says again what was said at any time before."""
        if self.told[name]:
            self.answers[name].append(data.draw(st.sampled_from(self.told[name])))

    @rule(name=st.sampled_from(SERVICES), data=st.data())
    def ask_again(self, name: str, data: st.DataObject) -> None:
        """Somebody asks again for what was asked for at any time before."""
        if asked := [each for each in self.saga.sent if each.contract.topic is COMMANDS[name]]:
            self.commands[name].append(data.draw(st.sampled_from(asked)))

    @rule()
    def flow(self) -> None:
        """Everybody reads on, as on most days."""
        for name in SERVICES:
            self.do(name, well=True)
            self.answer(name)
        for name in self.heard:
            self.hear_of_orders(name)
        self.gateway(well=True)

    @precondition(lambda self: not self.cancelled)
    @rule()
    def cancel(self) -> None:
        self.cancelled = True
        self.commands["orders"].append(CANCEL)

    @rule()
    def expire(self) -> None:
        self._answer("inventory", self.inventory.expire())

    @rule()
    def deliver(self) -> None:
        self.orders.deliver()

    @invariant()
    def it_ends_at_most_once(self) -> None:
        if self.saga.state is not None:
            over = self.saga.checkout.phase in {Phase.COMPLETED, Phase.FAILED}
            assert len(self._ends()) == over
            assert (self.saga.timer is None) == over

    @invariant()
    def each_thing_is_asked_for_in_the_same_words(self) -> None:
        by_kind: Mapping[type[Message], set[Message]] = defaultdict(set)
        for message in self.saga.sent:
            by_kind[type(message)].add(message)
        assert all(len(contents) == 1 for contents in by_kind.values())

    def teardown(self) -> None:
        """Everybody reads what is left, and time passes only then."""
        if self.saga.state is None:
            return
        while self._busy() or self.saga.timer is not None:
            if not self._busy():
                self.silence()
            self.flow()
        self._check_the_end()

    def _check_the_end(self) -> None:
        (end,) = self._ends()
        world = self.inventory.status, self.payments.status, self.orders.status
        nothing = (
            self.inventory.status not in {Stock.HELD, Stock.SOLD}
            and self.payments.status not in {Money.HELD, Money.TAKEN, Money.NOT_TAKEN}
            and self.orders.status not in {Order.CREATED, Order.CONFIRMED, Order.COMPLETED}
        )
        if isinstance(end, CheckoutFailed):
            assert nothing, world
        elif self.orders.status is Order.CANCELLED:  # after its end
            assert self.cancelled
            assert nothing, world
        else:
            assert self.orders.status in {Order.CONFIRMED, Order.COMPLETED}
            assert (self.inventory.status, self.payments.status) == (Stock.SOLD, Money.TAKEN)

    def _ends(self) -> list[Message]:
        return [each for each in self.saga.sent if isinstance(each, CheckoutCompleted | CheckoutFailed)]

    def _busy(self) -> bool:
        queues = (*self.commands.values(), *self.heard.values(), *self.answers.values())
        return self.payments.busy or any(queues)

    def _answer(self, name: str, answers: Answers) -> None:
        for answer in answers:
            self.answers[name].append(answer)
            self.told[name].append(answer)
            if isinstance(answer, OrderCancelled | OrderConfirmed):
                for queue in self.heard.values():
                    queue.append(answer)

    def _tell(self, messages: list[Message]) -> None:
        for message in messages:
            for name, topic in COMMANDS.items():
                if message.contract.topic is topic:
                    self.commands[name].append(message)


TestCourse = Course.TestCase
TestCourse.settings = settings(max_examples=300, stateful_step_count=60)
