"""The services of the catalogue with one of them wrong in one place."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from msgspec.structs import replace

from agents.orchestrator.service import orchestrator
from agents.payments.gateway import Capture
from agents.payments.service import payments
from agents.stock.service import stock
from ops.simulation.services import catalogue
from schemas.checkout import CheckoutFailed
from schemas.inventory import FreeStock
from streams.decision import Decision
from streams.service import Service

Services = Sequence[Service[Any, Any]]
#: What became of a decision: the state before, the message, and what was decided.
Spoil = Callable[[Any, Any, Decision[Any]], Decision[Any]]


def with_spoilt(service: Service[Any, Any], spoil: Spoil) -> Services:
    @wraps(service.decide)
    def decide(state: Any, message: Any, at: int) -> Any:
        decision = service.decide(state, message, at)
        return spoil(state, message, decision) if isinstance(decision, Decision) else decision

    spoilt = dataclasses.replace(service, decide=decide)
    return [spoilt if each is service else each for each in catalogue()]


def _forget_to_free(state: Any, message: Any, decision: Decision[Any]) -> Decision[Any]:
    if not isinstance(message, FreeStock) or decision.state is None:
        return decision
    return replace(decision, state=replace(decision.state, available=state.available))


def _capture_twice(_state: Any, _message: Any, decision: Decision[Any]) -> Decision[Any]:
    captures = tuple(effect for effect in decision.effects if isinstance(effect, Capture))
    return replace(decision, effects=decision.effects + captures)


def _end_in_silence(_state: Any, _message: Any, decision: Decision[Any]) -> Decision[Any]:
    return replace(decision, sends=tuple(each for each in decision.sends if not isinstance(each, CheckoutFailed)))


def forgetful_stock() -> Services:
    return with_spoilt(stock, _forget_to_free)


def greedy_payments() -> Services:
    return with_spoilt(payments, _capture_twice)


def silent_orchestrator() -> Services:
    return with_spoilt(orchestrator, _end_in_silence)
