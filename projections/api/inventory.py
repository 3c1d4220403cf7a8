"""Stock: how much there is of a product, and how much of that is held."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from projections import queries
from projections.api import SQL_FOLDER
from projections.api.asking import Asked, ProductPath
from projections.api.doors import Doors
from projections.api.keys import Scope
from projections.api.problems import (
    NOT_FOUND,
    blamed,
    documented,
    not_found,
)
from projections.api.reads import Reads
from schemas.inventory import InventoryList, InventoryStatus, StockLevel
from schemas.types import INT_MAX

_SQL = queries.load("inventory", SQL_FOLDER)


class Stock(Asked):
    """GetInventoryList: its filters and its pagination, side by side."""

    category: Annotated[
        str | None, Field(description="No event says a product's category, so this is refused: leave it out.")
    ] = None
    location: Annotated[
        str | None,
        Field(
            max_length=100,
            pattern=r"^[^\x00]*$",
            description="Only stock in this warehouse: its id, since no event says its place in words.",
        ),
    ] = None
    minStockLevel: Annotated[
        int | None, Field(ge=-INT_MAX - 1, le=INT_MAX, description="Only products of which so many can still be held.")
    ] = None
    inStock: Annotated[
        bool | None, Field(description="true: only products with pieces left; false: only those without.")
    ] = None
    page: Annotated[int, Field(ge=1, le=INT_MAX, description="Counted from 1.")] = 1
    pageSize: Annotated[int, Field(ge=1, le=1_000, description="Entries on one page.")] = 10


class Inventory:
    """What the read model says of stock."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def page(self, asked: Stock) -> InventoryList:
        values = {
            "location": asked.location,
            "least": asked.minStockLevel,
            "in_stock": asked.inStock,
            "size": asked.pageSize,
            "skipped": (asked.page - 1) * asked.pageSize,
        }
        [found] = await self._reads.all(_SQL["page"], values)
        return InventoryList.model_validate({**found, "page": asked.page, "pageSize": asked.pageSize})

    async def one(self, product: str) -> InventoryStatus:
        found = await self._reads.one(_SQL["one"], {"product_id": product})
        if found is None:
            raise not_found(f"no stock of product {product} is known, or none yet")
        return InventoryStatus.model_validate(found)


def router(inventory: Inventory, doors: Doors) -> APIRouter:
    routes = APIRouter(tags=["stock"], dependencies=[Depends(doors.needs(Scope.READ))])

    @routes.get("/inventory", summary="Products and their stock, page by page (GetInventoryList)")
    async def page(asked: Annotated[Stock, Query()]) -> InventoryList:
        if asked.category is not None:
            words = "no event says a product's category, so nothing can be filtered by it; leave it out"
            raise blamed("query", "category", asked.category, words)
        return await inventory.page(asked)

    @routes.get(
        "/inventory/{productId}",
        summary="A product's stock, and where it is (GetInventoryStatus)",
        responses=documented(NOT_FOUND),
    )
    async def status(product: ProductPath) -> InventoryStatus:
        return await inventory.one(product)

    @routes.get(
        "/stock/{productId}", summary="A product's stock in all (GetStockLevel)", responses=documented(NOT_FOUND)
    )
    async def level(product: ProductPath) -> StockLevel:
        found = await inventory.one(product)
        return StockLevel(productId=product, available=found.availableQuantity, reserved=found.reservedQuantity)

    return routes
