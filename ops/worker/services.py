"""Which services a worker runs: by name from the catalogue, or from a module of one's own."""

import difflib
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from agents.catalogue import SERVICES
from schemas.errors import OrderflowError
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


def offered(app: str | None) -> tuple[Service[Any, Any], ...]:
    """The services of `app`, else those of the catalogue."""
    if app is None:
        return SERVICES
    found = attribute(app)
    services = (found,) if isinstance(found, Service) else tuple(found) if isinstance(found, Iterable) else ()
    if not services or not all(isinstance(each, Service) for each in services):
        raise NoServiceError(f"{app} is neither a Service nor a list of them")
    return services


def chosen(names: Sequence[str], offered: Iterable[Service[Any, Any]], *, every: bool) -> list[Service[Any, Any]]:
    by_name: dict[str, Service[Any, Any]] = {}
    for service in offered:
        if service.name in by_name:
            raise NoServiceError(
                f"{service.name} is declared twice: two services of one name would share group and state"
            )
        by_name[service.name] = service
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
    return [service for name, service in by_name.items() if every or name in names]


def _listed(names: Iterable[str]) -> str:
    listed = ", ".join(names)
    return f"there are {listed}" if listed else "the catalogue has no service yet; name one of your own with --app"
