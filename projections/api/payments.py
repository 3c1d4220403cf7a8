"""Payments: whether an order is paid."""

from fastapi import APIRouter, Depends

from projections import queries
from projections.api import SQL_FOLDER
from projections.api.answers import PaymentAnswer
from projections.api.asking import OrderPath
from projections.api.doors import Doors
from projections.api.keys import Scope
from projections.api.problems import NOT_FOUND, documented, not_found
from projections.api.reads import Reads

_SQL = queries.load("payments", SQL_FOLDER)


def router(reads: Reads, doors: Doors) -> APIRouter:
    routes = APIRouter(prefix="/payments", tags=["payments"], dependencies=[Depends(doors.needs(Scope.READ))])

    @routes.get("/{orderId}", summary="Whether an order is paid (GetPaymentStatus)", responses=documented(NOT_FOUND))
    async def of_order(order_id: OrderPath) -> PaymentAnswer:
        found = await reads.one(_SQL["of order"], {"order_id": order_id})
        if found is None:
            raise not_found(f"no payment of order {order_id} is known, or none yet")
        return PaymentAnswer.model_validate(found)

    return routes
