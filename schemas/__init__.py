"""The contract: every message, topic and key of the business. Knows nothing of Kafka or Faust.

Messages are imported from their contexts: `from schemas.orders import CancelOrder`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from schemas.message import Command, Event, Message, Meta, Query

__all__ = ["Command", "Event", "Message", "Meta", "Query"]


def __getattr__(name: str) -> Any:
    # On demand: pydantic costs 0.2 s, which a command that only needs a topic's name should not pay.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("schemas.message"), name)
