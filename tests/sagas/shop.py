"""All services at work in this process, on one environment and before one gateway."""

from collections.abc import Callable
from typing import TypeVar

from agents.payments.service import payments
from ops.reading import Reader
from schemas.identity import derived_id
from schemas.inventory import AddInventory
from schemas.message import Message
from schemas.shopping import DiscountType, ProductListed, PromotionOffered
from streams.kafka.engine import KafkaEngine
from tests.sagas.cases import AT
from tests.sagas.gateway import POLICY, ToldGateway
from tests.sagas.witness import BY_NAME, Witness
from tests.streams.kafka.engines import Ground, until

M = TypeVar("M", bound=Message)

CODE = "TENTH"


def stocked(pieces: dict[str, int]) -> list[AddInventory]:
    warehouse = derived_id("warehouse")
    return [
        AddInventory(productId=product, quantity=quantity, warehouseId=warehouse, timestamp=AT)
        for product, quantity in pieces.items()
    ]


def priced(prices: dict[str, int]) -> list[Message]:
    """The price list, and a promotion that takes a tenth off."""
    products = [
        ProductListed(productId=product, name="something", unitPrice=price, currency="EUR")
        for product, price in prices.items()
    ]
    return [*products, PromotionOffered(code=CODE, discountType=DiscountType.PERCENTAGE, percent=10)]


class Shop(Witness):
    def __init__(self, ground: Ground, reader: Reader, gateway: ToldGateway) -> None:
        super().__init__(ground, reader)
        self.gateway = gateway
        perform = dict.fromkeys(payments.effects, gateway.perform)
        policies = dict.fromkeys(payments.effects, POLICY)
        self.engines: dict[str, KafkaEngine] = {
            name: ground.engine(service, perform=perform, policies=policies)
            if service is payments
            else ground.engine(service)
            for name, service in BY_NAME.items()
        }

    def publish(self, *messages: Message) -> None:
        self.ground.publish(*messages)

    def until(self, condition: Callable[[], bool]) -> None:
        """Read along until it holds."""

        def holds() -> bool:
            self.look()
            return condition()

        until(holds, *self.engines.values())

    def hears(self, kind: type[M], key: str) -> M:
        """Wait for such a message about that key; the last of them."""
        self.until(lambda: self.messages(kind, key) != [])
        return self.messages(kind, key)[-1]

    def settled(self, service: str, key: str, status: str | None) -> None:
        """Wait until it has got there; without a status, it knows nothing of the key."""
        self.until(lambda: getattr(self.states(service).get(key), "status", None) == status)
