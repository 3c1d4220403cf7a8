"""The declaration of the service."""

from agents.stock.decider import decide
from agents.stock.state import Stock
from schemas.inventory import InventoryAdjusted, OutOfStock, StockHeld, StockShort
from streams.service import Service

stock = Service(name="stock", state=Stock, decide=decide, sends=(StockHeld, StockShort, InventoryAdjusted, OutOfStock))
