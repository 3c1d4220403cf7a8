"""What services were told and what they decided then, as lines of JSON: made once, and replayed with every change."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import convert, msgpack

from agents.checkout.service import checkout
from agents.inventory.service import inventory
from agents.orchestrator.service import orchestrator
from agents.orders.service import orders
from agents.payments.service import payments
from agents.stock.service import stock
from schemas.catalogue import MESSAGES
from schemas.message import Message
from streams.decision import Decision, Performed, Wake
from streams.packing import ENCODER
from streams.service import Service

HERE = Path(__file__).parent
#: Those of "Place an order". A history holds the decisions of all of them.
SERVICES: Mapping[str, Service[Any, Any]] = {
    each.name: each for each in (checkout, orchestrator, inventory, stock, payments, orders)
}
_TYPES = {message.__name__: message for message in MESSAGES}

Heard = Message | Wake | Performed[Any]


class Line(NamedTuple):
    """One decision."""

    service: str
    key: str
    at: int
    message: Heard
    decision: Decision[Any]


def text(lines: Iterable[Line]) -> str:
    return "".join(json.dumps(_told(line), ensure_ascii=False) + "\n" for line in lines)


def replayed(history: str) -> str:
    """The same history, as today's deciders decide it."""
    states: dict[tuple[str, str], Any] = {}
    lines = []
    for told in map(json.loads, history.splitlines()):
        service, key, at = SERVICES[told["service"]], told["key"], told["at"]
        message = _heard(service, told["message"])
        decision = service.decide(states.get((service.name, key)), message, at)
        assert isinstance(decision, Decision)
        states[service.name, key] = decision.state
        lines.append(Line(service.name, key, at, message, decision))
    return text(lines)


def _told(line: Line) -> Mapping[str, Any]:
    decision = line.decision
    return {
        "service": line.service,
        "key": line.key,
        "at": line.at,
        "message": _tagged(line.message),
        "sends": [_tagged(each) for each in decision.sends],
        "effects": [_tagged(each) for each in decision.effects],
        "timer": decision.timer,
        "expires": decision.expires,
        "state": _builtins(decision.state),
    }


def _tagged(value: Any) -> Mapping[str, Any]:
    """With its type, so that it can be read back."""
    if isinstance(value, Message):
        fields = value.model_dump(mode="json", exclude_none=True)
    elif isinstance(value, Performed):
        fields = {"effect_id": value.effect_id, "outcome": _tagged(value.outcome)}
    else:
        fields = _builtins(value)
    return {type(value).__name__: fields}


def _heard(service: Service[Any, Any], tagged: Mapping[str, Any]) -> Heard:
    ((name, fields),) = tagged.items()
    if name == Wake.__name__:
        return Wake(**fields)
    if name == Performed.__name__:
        ((kind, outcome),) = fields["outcome"].items()
        kinds = {each.__name__: each for each in service.outcomes}
        return Performed(fields["effect_id"], convert(outcome, kinds[kind]))
    return _TYPES[name].model_validate_json(json.dumps(fields))


def _builtins(value: Any) -> Any:
    return msgpack.decode(ENCODER.encode(value))
