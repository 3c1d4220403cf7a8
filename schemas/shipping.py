"""Shipping: parcels on their way to the customer, and back."""

from typing import Annotated

from pydantic import Field

from schemas import topics
from schemas.message import Command, Event, Record
from schemas.types import Array, Int, Symbols, Timestamp, Uuid

ShipmentId = Annotated[Uuid, Field(description="The parcel; an order may need several.")]
OrderId = Annotated[Uuid, Field(description="The order whose goods it carries.")]
OptionalOrderId = Annotated[Uuid | None, Field(description="The parcel's order; the record's key says the same.")]
ShippingMethod = Annotated[str, Field(description="How the parcel travels, in the carrier's words.")]


class ShipmentStatus(Symbols):
    """Where a parcel is."""

    PENDING = "pending"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    RETURNED = "returned"
    UNRECOGNIZED = "UNRECOGNIZED"


class ShipmentAddress(Record):
    """Where a parcel goes."""

    street: Annotated[str, Field(description="Street and house number.")]
    city: Annotated[str, Field(description="City or town.")]
    state: Annotated[str, Field(description="State, province or region.")]
    postalCode: Annotated[str, Field(description="As written in the country.")]
    country: Annotated[str, Field(description="Country, by name or ISO 3166 code.")]


class ShipmentItem(Record):
    """What is in a parcel of one product."""

    itemId: Annotated[Uuid, Field(description="The product.")]
    quantity: Annotated[Int, Field(description="Pieces of it in this parcel.")]


Address = Annotated[ShipmentAddress, Field(description="Where the parcel goes.")]
Items = Annotated[Array[ShipmentItem], Field(description="What is in the parcel.")]


class CreateShipment(Command, version="0.0.1", topic=topics.SHIPPING_COMMANDS, key="orderId", consumers=("shipping",)):
    """Pack a parcel. Answered by ShipmentCreated."""

    shipmentId: ShipmentId
    orderId: OrderId
    address: Address
    items: Items
    shippingMethod: ShippingMethod


class CancelShipment(Command, version="0.0.1", topic=topics.SHIPPING_COMMANDS, key="orderId", consumers=("shipping",)):
    """Stop a parcel that hasn't left."""

    orderId: OptionalOrderId = None
    shipmentId: ShipmentId


class CreateReturnLabel(
    Command, version="0.0.1", topic=topics.SHIPPING_COMMANDS, key="orderId", consumers=("shipping",)
):
    """Let the customer send a parcel back. Answered by ReturnInitiated."""

    orderId: OptionalOrderId = None
    shipmentId: ShipmentId


class UpdateShipmentStatus(
    Command, version="0.0.1", topic=topics.SHIPPING_COMMANDS, key="orderId", consumers=("shipping",)
):
    """The carrier's news of a parcel."""

    orderId: OptionalOrderId = None
    shipmentId: ShipmentId
    status: Annotated[ShipmentStatus, Field(description="Where the carrier says the parcel is.")]
    updatedAt: Annotated[Timestamp | None, Field(description="When the carrier saw it there.")] = None


class ShipmentCreated(Event, version="0.0.1", topic=topics.SHIPPING_EVENTS, key="orderId", producers=("shipping",)):
    """A parcel is to be packed."""

    shipmentId: ShipmentId
    orderId: OrderId
    address: Address
    items: Items
    shippingMethod: ShippingMethod


class ShipmentDispatched(Event, version="0.0.1", topic=topics.SHIPPING_EVENTS, key="orderId", producers=("shipping",)):
    """A parcel has left the warehouse."""

    shipmentId: ShipmentId
    orderId: OrderId


class ShipmentInTransit(Event, version="0.0.1", topic=topics.SHIPPING_EVENTS, key="orderId", producers=("shipping",)):
    """The carrier has a parcel on the road."""

    shipmentId: ShipmentId
    orderId: OrderId


class ShipmentDelivered(
    Event,
    version="0.0.1",
    topic=topics.SHIPPING_EVENTS,
    key="orderId",
    producers=("shipping",),
    consumers=("orders",),
):
    """A parcel was handed over."""

    shipmentId: ShipmentId
    orderId: OrderId
    deliveredAt: Annotated[Timestamp | None, Field(description="When it was handed over.")] = None
    signedBy: Annotated[str | None, Field(description="Who took it, if anybody had to sign.")] = None


class DeliveryFailed(Event, topic=topics.SHIPPING_EVENTS, key="orderId", producers=("shipping",)):
    """The carrier could not hand a parcel over."""

    shipmentId: ShipmentId
    orderId: OrderId
    failureReason: Annotated[str, Field(description="What the carrier said, in words.")]


class ReturnInitiated(Event, version="0.0.1", topic=topics.SHIPPING_EVENTS, key="orderId", producers=("shipping",)):
    """The customer is sending a parcel back."""

    shipmentId: ShipmentId
    orderId: OrderId
