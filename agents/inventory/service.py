"""The declaration of the service."""

from agents.inventory.decider import decide
from agents.inventory.state import Reservation
from schemas.inventory import (
    FreeStock,
    HoldStock,
    InventoryReleased,
    InventoryReserved,
    InventoryUnavailable,
    ReturnStock,
    TakeStock,
)
from streams.service import Service

inventory = Service(
    name="inventory",
    state=Reservation,
    decide=decide,
    sends=(HoldStock, FreeStock, TakeStock, ReturnStock, InventoryReserved, InventoryUnavailable, InventoryReleased),
)
