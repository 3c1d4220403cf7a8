"""Notifications: what customers were told, by which way, and whether they have read it."""

from typing import Annotated

from pydantic import Field

from schemas import topics
from schemas.message import Event, Query, Record
from schemas.types import Array, Symbols, Timestamp, Uuid

NotificationId = Annotated[Uuid, Field(description="The notification: sent twice with one id, it is shown once.")]
UserId = Annotated[Uuid, Field(description="Whom it was sent to.")]
Title = Annotated[str, Field(description="One line that says what happened.")]
Text = Annotated[str, Field(description="The text as the user sees it.")]
CreatedAt = Annotated[Timestamp, Field(description="When it was written.")]


class NotificationChannel(Symbols):
    """By which way a notification goes."""

    EMAIL = "EMAIL"
    SMS = "SMS"
    PUSH = "PUSH"
    IN_APP = "IN_APP"
    UNRECOGNIZED = "UNRECOGNIZED"


class NotificationStatus(Symbols):
    """Whether the user has seen it."""

    UNREAD = "unread"
    READ = "read"
    UNRECOGNIZED = "UNRECOGNIZED"


class NotificationSent(Event, topic=topics.NOTIFICATIONS_EVENTS, key="userId", producers=("notifications",)):
    """A user was told something. The catalogue gives it no schema: the fields are this project's."""

    notificationId: NotificationId
    userId: UserId
    channel: Annotated[NotificationChannel, Field(description="By which way it went.")]
    type: Annotated[str, Field(description="The name of the message that it tells of, such as OrderConfirmed.")]
    title: Title
    message: Text
    orderId: Annotated[Uuid | None, Field(description="The order that it is about, if it is about one.")] = None
    sentAt: Annotated[Timestamp, Field(description="When the mail server, SMS or push provider took it.")]


class NotificationSummary(Record):
    """One entry of a user's list."""

    notificationId: NotificationId
    title: Title
    message: Text
    status: Annotated[NotificationStatus, Field(description="Whether the user has opened it.")]
    createdAt: CreatedAt


class UserNotifications(Record):
    """What one user was told."""

    userId: UserId
    notifications: Annotated[Array[NotificationSummary], Field(description="Newest first.")]


class NotificationMetadata(Record):
    """What a notification is about."""

    orderId: Annotated[Uuid, Field(description="The order that it tells of.")]
    shippingProvider: Annotated[str | None, Field(description="The carrier, once there is one.")] = None


class NotificationDetails(Record):
    """One notification in full."""

    notificationId: NotificationId
    title: Title
    message: Text
    status: Annotated[NotificationStatus, Field(description="Whether the user has opened it.")]
    userId: UserId
    createdAt: CreatedAt
    type: Annotated[str, Field(description="The name of the message that it tells of, such as OrderConfirmed.")]
    metadata: Annotated[NotificationMetadata | None, Field(description="Only for news of an order.")] = None


class GetUserNotifications(Query, version="0.0.1", consumers=("notifications",), answer=UserNotifications):
    """Ask what a user was told."""

    userId: UserId


class GetNotificationDetails(Query, version="0.0.1", consumers=("notifications",), answer=NotificationDetails):
    """Ask what one notification says."""

    notificationId: NotificationId
