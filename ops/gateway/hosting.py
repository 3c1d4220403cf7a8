"""Who performs the effects of payments in a worker."""

from functools import cache
from pathlib import Path
from typing import Any, get_args

from agents.payments.gateway import Effect
from ops.gateway.behaviour import BEHAVIOURS
from ops.gateway.ledger import Ledger
from ops.gateway.simulated import SimulatedGateway
from ops.settings import Settings
from streams.effects import Policy
from streams.hosting import Hosted
from streams.service import Service

#: A payment answers within 3 s. Where that fails the checkout's own deadline speaks, so nobody need be patient here.
#: Calls mostly wait for the other side: with 16 at once it was these that all checkouts waited for.
POLICY = Policy(deadline=3_000, longest_pause=10_000, at_once=64)


def with_gateway(service: Service[Any, Any], settings: Settings) -> Hosted:
    """The service, with the simulated gateway behind it where it asks for one."""
    asked = [effect for effect in service.effects if effect in get_args(Effect)]
    perform = _gateway(settings.gateway, settings.gateway_ledger or settings.data_dir / "gateway.sqlite").perform
    return Hosted(service, perform=dict.fromkeys(asked, perform), policies=dict.fromkeys(asked, POLICY))


@cache
def _gateway(behaviour: str, ledger: Path) -> SimulatedGateway:
    """One for the process."""
    return SimulatedGateway(Ledger(ledger), BEHAVIOURS[behaviour])
