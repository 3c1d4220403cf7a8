"""Workers as processes, with all services in each, before one gateway; and somebody who reads along."""

from contextlib import ExitStack, closing
from pathlib import Path

from bench.fleet import Worker
from ops.gateway.ledger import Ledger
from ops.reading import Reader
from ops.stack import Addresses
from ops.stack.waiting import wait_until
from schemas.avsc import avro_schema
from schemas.catalogue import RECORDS
from schemas.inventory import InventoryAdjusted
from schemas.message import Message
from schemas.orders import OrderState
from schemas.topics import ORDERS_STATE
from streams.codec import Codec
from streams.confluent import ConfluentRegistry
from streams.registry import subject_of
from streams.topics import TopicAdmin, plan
from tests.sagas.books import differences
from tests.sagas.shop import stocked
from tests.sagas.witness import BY_NAME, Witness
from tests.streams.kafka.engines import Ground

#: A group waits for a killed member's session, and every service is a group of its own.
SESSION_SECONDS = 6.0
#: More than one of the orchestrator's deadlines of two minutes.
SECONDS = 180.0


class Town:
    """Workers with all services in each, and one gateway that has bad days."""

    def __init__(self, stack: Addresses, environment: str, directory: Path, *, workers: int, gateway: str) -> None:
        ledger = directory / "ledger.sqlite"
        self.settings = {
            "ORDERFLOW_KAFKA_BOOTSTRAP": stack.kafka,
            "ORDERFLOW_REGISTRY_URL": stack.registry,
            "ORDERFLOW_ENVIRONMENT": environment,
            "ORDERFLOW_SESSION_SECONDS": str(SESSION_SECONDS),
            "ORDERFLOW_GATEWAY": gateway,
            "ORDERFLOW_GATEWAY_LEDGER": str(ledger),
            "ORDERFLOW_LOG_FORMAT": "json",
        }
        self.workers = [Worker(directory / str(number), "--all", settings=self.settings) for number in range(workers)]
        self._ends = ExitStack()
        registry = self._ends.enter_context(closing(ConfluentRegistry({"url": stack.registry}, registers=True)))
        self._ground = Ground(stack.kafka, environment)
        self._ground.codec = Codec(registry, environment)
        admin = TopicAdmin(self._ground.client)
        declared = admin.declared(environment)
        admin.apply(plan(declared, {}), declared)
        self._ground.make_topics(*BY_NAME.values())
        for kind in RECORDS:
            registry.register(subject_of(kind, environment), avro_schema(kind))
        self.ledger = self._ends.enter_context(closing(Ledger(ledger)))
        reader = self._ends.enter_context(Reader(self._ground.client, self._ground.codec))
        self.witness = Witness(self._ground, reader)

    def open(self) -> None:
        for worker in self.workers:
            worker.start()
        assert wait_until(self._is_ready, seconds=SECONDS), self._logs()

    def stock(self, pieces: dict[str, int]) -> None:
        """Wait until it is there: who reserves, and who stocks up, speak on topics that may be read in any order."""
        self.publish(*stocked(pieces))

        def there() -> bool:
            self.witness.look()
            return all(self.witness.messages(InventoryAdjusted, product) for product in pieces)

        assert wait_until(there, seconds=SECONDS), self._logs()

    def _is_ready(self) -> bool:
        return all(worker.readiness().get("ready") for worker in self.workers)

    def publish(self, *messages: Message) -> None:
        self._ground.publish(*messages)

    def state_of(self, order_id: str) -> OrderState | None:
        """As the topic of states has it last."""
        records = [each for each in self._ground.read(ORDERS_STATE) if each.key == order_id.encode()]
        state = self._ground.codec.decode(records[-1].value) if records else None
        return state if isinstance(state, OrderState) else None

    def until_ended(self, count: int) -> None:
        """Wait until so many checkouts are over."""

        def ended() -> bool:
            self.witness.look()
            return len(self.witness.ends()) >= count

        assert wait_until(ended, seconds=SECONDS), f"{len(self.witness.ends())} of {count} ended: {self._logs()}"

    def balance(self, stock: dict[str, int]) -> list[str]:
        """What does not add up, once it does or time is over."""
        found: list[str] = []

        def balanced() -> bool:
            self.witness.look()
            found[:] = differences(self.witness.states, self.ledger.movements(), stock)
            return not found

        wait_until(balanced, seconds=SECONDS)
        return found

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
        self._ends.close()

    def _logs(self) -> str:
        return "\n".join(worker.log.read_text("utf-8")[-2_000:] for worker in self.workers)
