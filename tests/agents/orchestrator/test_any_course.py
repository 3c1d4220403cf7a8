"""Whatever happens to one checkout, in any order: it ends once, and what it says at its end is so."""

from collections import Counter, defaultdict, deque
from collections.abc import Mapping

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agents.orchestrator.saga import MOST_UNDOS
from agents.orchestrator.state import Phase
from schemas.checkout import CheckoutCompleted, CheckoutFailed
from schemas.examples import CHECKOUT
from schemas.message import Message
from schemas.orders import CancellationReason, CancelOrder, ConfirmOrder, OrderCancelled, OrderConfirmed
from schemas.payments import RefundPayment, VoidPayment
from schemas.topics import INVENTORY_COMMANDS, ORDERS_COMMANDS, PAYMENTS_COMMANDS
from tests.agents.orchestrator.story import PARTS, START, STEPS, Saga
from tests.agents.orchestrator.world import Answers, Inventory, Money, Order, Orders, Payments, Stock

CANCEL = CancelOrder(orderId=CHECKOUT, reason=CancellationReason.CUSTOMER_REQUESTED)
WELL = st.sampled_from([True, True, True, False])
SERVICES = ("inventory", "payments", "orders")
#: A topic keeps its order, two topics don't.
COMMANDS = {"inventory": INVENTORY_COMMANDS, "payments": PAYMENTS_COMMANDS, "orders": ORDERS_COMMANDS}
ASKS = {PARTS[step].ask: index for index, step in enumerate(STEPS)}
OKS = {type(part.ok): step for step, part in PARTS.items()}
UNDOS = {part.undo for part in PARTS.values()}
STOPS = {type(part.undone) for part in PARTS.values()}

Queues = dict[str, deque[Message]]


class Course(RuleBasedStateMachine):
    """Silence is time that passes while nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.saga = Saga()
        self.inventory, self.payments, self.orders = Inventory(), Payments(), Orders()
        self.services: Mapping[str, Inventory | Payments | Orders] = {
            "inventory": self.inventory,
            "payments": self.payments,
            "orders": self.orders,
        }
        #: By the service that reads it: its commands, and what it hears of orders.
        self.commands: Queues = {name: deque() for name in SERVICES}
        self.news: Queues = {name: deque() for name in ("inventory", "payments")}
        #: By the service that sent it, to be read by the saga; and all that was ever sent.
        self.answers: Queues = {name: deque() for name in SERVICES}
        self.told: Mapping[str, list[Message]] = defaultdict(list)
        #: All that the saga has read.
        self.heard: list[Message] = []
        self.cancelled = False
        #: How often a service was asked in vain to undo something; after the end nobody asks more than once.
        self.lost = Counter[str]()

    @initialize(steps=st.integers(0, 8))
    def start(self, steps: int) -> None:
        """With so much of it behind us, or late steps would hardly ever be reached."""
        self._tell(self.saga.hear(START))
        for _ in range(steps):
            self.flow()

    @rule()
    def start_again(self) -> None:
        assert self.saga.hear(START) == ()

    @rule(name=st.sampled_from(SERVICES), well=WELL)
    def do(self, name: str, well: bool) -> None:
        if self.commands[name]:
            self._answer(name, self.services[name].hear(self.commands[name].popleft(), well=well))

    @rule(name=st.sampled_from(SERVICES))
    def answer(self, name: str) -> None:
        if self.answers[name]:
            message = self.answers[name].popleft()
            self.heard.append(message)
            step = OKS.get(type(message))
            if step and self.saga.checkout.phase is Phase.FAILED and step not in self.saga.checkout.undone:
                self.lost[name] = 0  # what it hears of only now is to be undone once more
            self._tell(self.saga.hear(message))

    @rule(name=st.sampled_from(("inventory", "payments")))
    def hear_of_orders(self, name: str) -> None:
        if self.news[name]:
            self._answer(name, self.services[name].hear(self.news[name].popleft(), well=True))

    @precondition(lambda self: self.payments.busy)
    @rule(well=WELL)
    def gateway(self, well: bool) -> None:
        self._answer("payments", self.payments.gateway(well=well))

    @rule()
    def flow(self) -> None:
        """Everybody reads on, as on most days."""
        for name in SERVICES:
            self.do(name, well=True)
            self.answer(name)
        for name in self.news:
            self.hear_of_orders(name)
        self.gateway(well=True)

    @rule(times=st.integers(1, MOST_UNDOS + 3))
    def silence(self, times: int) -> None:
        for _ in range(times):
            if self.saga.timer is not None:
                self._tell(self.saga.silence())

    @rule(name=st.sampled_from(SERVICES), kept=st.integers(0, 2))
    def lose(self, name: str, kept: int) -> None:
        """All that was asked of a service but the first of it goes to its dead letters, and nobody looks there."""
        while len(self.commands[name]) > kept:
            if type(self.commands[name].pop()) in UNDOS:
                self.lost[name] += MOST_UNDOS if self.saga.checkout.phase is Phase.FAILED else 1

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
                self.silence(1)
            self.flow()
        self._check_the_end()

    def _check_the_end(self) -> None:
        (end,) = self._ends()
        left = {
            "inventory": self.inventory.status in {Stock.HELD, Stock.SOLD},
            "payments": self.payments.status in {Money.HELD, Money.TAKEN, Money.NOT_TAKEN},
            "orders": self.orders.status in {Order.CREATED, Order.CONFIRMED, Order.COMPLETED},
        }
        if isinstance(end, CheckoutFailed) or self.orders.status is Order.CANCELLED:
            assert isinstance(end, CheckoutFailed) or self.cancelled
            # What the customer has can't be undone; that it comes to this takes an undo that was given up.
            delivered = self.orders.status is Order.COMPLETED
            assert delivered or not any(left[name] and self.lost[name] < MOST_UNDOS for name in SERVICES), left
        else:
            assert all(left.values()), left
            assert (self.inventory.status, self.payments.status) == (Stock.SOLD, Money.TAKEN)
            assert self.orders.status is not Order.CREATED

    def _check(self, asked: Message) -> None:
        """What the saga asks for is justified by what it has heard."""
        if type(asked) in ASKS:
            before = [PARTS[step].ok for step in STEPS[: ASKS[type(asked)]]]
            assert all(ok in self.heard for ok in before)
            assert not any(type(message) in STOPS for message in self.heard)
        if isinstance(asked, VoidPayment | RefundPayment) and self._asked(ConfirmOrder):
            called_off = any(isinstance(message, OrderCancelled) for message in self.heard)
            assert called_off or self._asked(CancelOrder) >= MOST_UNDOS

    def _asked(self, kind: type[Message]) -> int:
        return sum(isinstance(message, kind) for message in self.saga.sent)

    def _ends(self) -> list[Message]:
        return [each for each in self.saga.sent if isinstance(each, CheckoutCompleted | CheckoutFailed)]

    def _busy(self) -> bool:
        queues = (*self.commands.values(), *self.news.values(), *self.answers.values())
        return self.payments.busy or any(queues)

    def _answer(self, name: str, answers: Answers) -> None:
        for answer in answers:
            self.answers[name].append(answer)
            self.told[name].append(answer)
            if isinstance(answer, OrderCancelled | OrderConfirmed):
                for queue in self.news.values():
                    queue.append(answer)

    def _tell(self, messages: Answers) -> None:
        for message in messages:
            self._check(message)
            for name, topic in COMMANDS.items():
                if message.contract.topic is topic:
                    self.commands[name].append(message)


TestCourse = Course.TestCase
TestCourse.settings = settings(max_examples=200, stateful_step_count=40)
