"""What the stock of a product can't do. The contract has no answer for it, so it is a dead letter with this text."""

from agents.stock.state import Stock
from schemas.errors import OrderflowError
from schemas.message import Message


class StockError(OrderflowError, ValueError):
    """A message that contradicts what there is of the product. Nothing was changed."""

    def __init__(self, stock: Stock, message: Message, problem: str, advice: str) -> None:
        super().__init__(
            f"{type(message).__name__} of product {stock.product_id}: {problem} "
            f"({stock.available} available, {stock.held} held); nothing was changed: {advice}"
        )
        self.product_id = stock.product_id
