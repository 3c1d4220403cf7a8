"""All services at work on one environment, and somebody who reads along."""

from collections.abc import Callable
from typing import Any, TypeVar

from agents.catalogue import SERVICES
from agents.payments.service import payments
from ops.reading import Part, Reader, Said
from schemas.checkout import CheckoutCompleted, CheckoutFailed, CheckoutRejected
from schemas.identity import derived_id
from schemas.inventory import AddInventory
from schemas.message import Message
from schemas.topics import PARTITIONS, TOPICS
from streams.hosting import Hosted
from streams.kafka.engine import KafkaEngine
from streams.kafka.topics import dead_letters_of
from streams.service import Service
from tests.sagas.cases import AT
from tests.sagas.gateway import POLICY, ToldGateway
from tests.streams.kafka.engines import Ground, until

M = TypeVar("M", bound=Message)

End = CheckoutCompleted | CheckoutFailed | CheckoutRejected
ENDS: tuple[type[End], ...] = (CheckoutCompleted, CheckoutFailed, CheckoutRejected)

BY_NAME: dict[str, Service[Any, Any]] = {
    service.name: service for service in (each.service if isinstance(each, Hosted) else each for each in SERVICES)
}


class Shop:
    """What is said in it, in memory, as it is said."""

    def __init__(self, ground: Ground, reader: Reader, gateway: ToldGateway) -> None:
        self.ground = ground
        self.gateway = gateway
        self._reader = reader
        self.said: list[Said] = []
        self.engines: dict[str, KafkaEngine] = {}
        #: By service, as of how much that was said.
        self._states: dict[str, tuple[int, dict[str, Any]]] = {}
        topics = {topic.name(ground.environment) for topic in TOPICS} & reader.topics().keys()
        letters = {dead_letters_of(name, ground.environment) for name in BY_NAME}
        reader.start({Part(topic, number): 0 for topic in topics | letters for number in range(PARTITIONS)})

    def open(self) -> None:
        for name, service in BY_NAME.items():
            if service is payments:
                perform = dict.fromkeys(service.effects, self.gateway.perform)
                policies = dict.fromkeys(service.effects, POLICY)
                self.engines[name] = self.ground.engine(service, perform=perform, policies=policies)
            else:
                self.engines[name] = self.ground.engine(service)

    def stock(self, pieces: dict[str, int]) -> None:
        warehouse = derived_id("warehouse")
        self.publish(
            *(
                AddInventory(productId=product, quantity=quantity, warehouseId=warehouse, timestamp=AT)
                for product, quantity in pieces.items()
            )
        )

    def publish(self, *messages: Message) -> None:
        self.ground.publish(*messages)

    def until(self, condition: Callable[[], bool]) -> None:
        """Read along until it holds."""

        def holds() -> bool:
            self.said += self._reader.next(0.05)
            return condition()

        until(holds, *self.engines.values())

    def messages(self, kind: type[M], key: str | None = None) -> list[M]:
        """All of that kind that were said, repeats of a restart left out."""
        found = {each.id: each.message for each in self.said if isinstance(each.message, kind)}
        return [message for message in found.values() if key is None or message.record_key == key]

    def hears(self, kind: type[M], key: str, count: int = 1) -> M:
        """Wait for as many; the last of them."""
        self.until(lambda: len(self.messages(kind, key)) >= count)
        return self.messages(kind, key)[-1]

    def ends(self, cart_id: str) -> list[End]:
        """Of all checkouts of that cart, in their order."""
        return [end for kind in ENDS for end in self.messages(kind, cart_id)]

    def dead_letters(self) -> list[Said]:
        return [each for each in self.said if each.part.topic.endswith(".dlq")]

    def states(self, service: str) -> dict[str, Any]:
        """By key, what the service keeps."""
        seen, states = self._states.get(service, (-1, {}))
        if seen < len(self.said):
            entries = self.ground.entries(BY_NAME[service])
            states = {key: entry.state for key, entry in entries.items() if entry is not None}
            self._states[service] = (len(self.said), states)
        return states

    def settled(self, service: str, key: str, status: str | None) -> None:
        """Wait until it has got there; without a status, it knows nothing of the key."""
        self.until(lambda: getattr(self.states(service).get(key), "status", None) == status)
