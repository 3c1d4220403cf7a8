"""Which services a worker runs: by name from the catalogue, or from a module of one's own."""

import difflib
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from agents.catalogue import SERVICES
from ops.gateway.hosting import with_gateway
from ops.settings import Settings
from schemas.errors import OrderflowError
from streams.hosting import Hosted
from streams.service import Service


class NoServiceError(OrderflowError):
    """What was asked for is not there, or is no service."""

    exit_code = 2


def attribute(place: str) -> Any:
    """What `module:attribute` names; a module that is not installed is looked for in the current directory."""
    module, _, name = place.partition(":")
    if not module or not name:
        raise NoServiceError(f"{place!r} names nothing: say module:attribute, such as shop.agents:orders")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        return getattr(import_module(module), name)
    except ImportError as error:
        raise NoServiceError(f"{place}: {module} can't be imported from {here}") from error
    except AttributeError as error:
        raise NoServiceError(f"{place}: {module} has no {name}") from error


def offered(app: str | None, settings: Settings) -> tuple[Hosted, ...]:
    """The services of `app`, else those of the catalogue. Raises ServiceError for an effect that nobody performs."""
    found = SERVICES if app is None else attribute(app)
    services = tuple(found) if isinstance(found, Iterable) else (found,)
    if not all(isinstance(each, Service | Hosted) for each in services) or (app and not services):
        raise NoServiceError(f"{app} is neither a Service or Hosted nor a list of them")
    return tuple(each if isinstance(each, Hosted) else with_gateway(each, settings) for each in services)


def chosen(names: Sequence[str], offered: Iterable[Hosted], *, every: bool) -> list[Hosted]:
    by_name: dict[str, Hosted] = {}
    for hosted in offered:
        name = hosted.service.name
        if name in by_name:
            raise NoServiceError(f"{name} is declared twice: two services of one name would share group and state")
        by_name[name] = hosted
    if not every and not names:
        raise NoServiceError(f"say which services, or --all: {_listed(by_name)}")
    for name in names:
        if name not in by_name:
            close = difflib.get_close_matches(name, by_name, n=1)
            raise NoServiceError(
                f"{name} is no service; " + (f"did you mean {close[0]}?" if close else _listed(by_name))
            )
    if not by_name:
        raise NoServiceError(_listed(by_name))
    return [hosted for name, hosted in by_name.items() if every or name in names]


def _listed(names: Iterable[str]) -> str:
    listed = ", ".join(names)
    return f"there are {listed}" if listed else "the catalogue has no service yet; name one of your own with --app"
