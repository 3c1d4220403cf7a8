"""The base of every message: its fields, and the facts of the contract about it."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.topics import Topic

Kind = Literal["command", "event", "query"]
Service = Literal[
    "cart-api",
    "checkout-api",
    "checkout-orchestrator",
    "inventory",
    "notifications",
    "order-state",
    "orders",
    "payments",
    "promotion",
    "shipping",
    "stock",
    "subscriptions",
]


class Record(BaseModel):
    """A part of a message. What doesn't validate can't be built, so it can't be published."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Meta(Record):
    """Where a record comes from: who it is, what caused it, which conversation and trace it belongs to."""

    messageId: Annotated[
        str, Field(min_length=1, description="Unique for this message; the same again when it is sent again.")
    ]
    causationId: Annotated[str | None, Field(description="The messageId of the message that caused this one.")] = None
    correlationId: Annotated[str | None, Field(description="The messageId that began the conversation.")] = None
    traceparent: Annotated[str | None, Field(description="W3C trace context.")] = None


@dataclass(frozen=True, slots=True)
class Contract:
    """What the catalogue says of a message beside its fields."""

    kind: Kind
    version: str
    topic: Topic | None
    #: The field that holds the record's key; None where only the record's key carries it.
    key: str | None
    producers: tuple[Service, ...]
    consumers: tuple[Service, ...]
    #: What a query answers.
    answer: type[Record] | None


class Message(Record):
    """One message of the contract: `class CancelOrder(Command, version="1.0.0", topic=topics.ORDERS_COMMANDS, ...)`."""

    kind: ClassVar[Kind]
    contract: ClassVar[Contract]

    meta: Annotated[Meta | None, Field(description="Envelope; a stranger's record may lack it.")] = None

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Swallow the facts of the contract, which pydantic hands to the hook below."""

    @classmethod
    def __pydantic_init_subclass__(
        cls,
        *,
        version: str = "1.0.0",
        topic: Topic | None = None,
        key: str | None = None,
        producers: tuple[Service, ...] = (),
        consumers: tuple[Service, ...] = (),
        answer: type[Record] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "kind" in vars(cls):  # Command, Event and Query are kinds, not messages
            return
        if key is not None and key not in cls.model_fields:
            raise TypeError(f"{cls.__name__}: key={key!r} is none of its fields ({', '.join(cls.model_fields)})")
        if (topic is None) != (cls.kind == "query"):
            raise TypeError(f"{cls.__name__}: a {cls.kind} travels on {'no' if cls.kind == 'query' else 'one'} topic")
        cls.contract = Contract(cls.kind, version, topic, key, producers, consumers, answer)

    @property
    def record_key(self) -> str | None:
        """The key of its Kafka record; None where the sender must give it beside the message."""
        return None if self.contract.key is None else getattr(self, self.contract.key)


class Command(Message):
    """A request to one service, which may refuse."""

    kind: ClassVar[Kind] = "command"


class Event(Message):
    """A fact that nobody can refuse."""

    kind: ClassVar[Kind] = "event"


class Query(Message):
    """A question, asked over HTTP: it travels on no topic."""

    kind: ClassVar[Kind] = "query"
