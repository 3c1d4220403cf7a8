"""The services of the catalogue, as the twin takes them."""

from typing import Any

from agents.catalogue import SERVICES
from streams.service import Service


def catalogue() -> list[Service[Any, Any]]:
    """Without who performs their effects: here that is the gateway of the trial."""
    return [*SERVICES]
