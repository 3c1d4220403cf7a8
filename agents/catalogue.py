"""Every service of the pipeline, where `orderflow worker` finds them."""

from typing import Any

from streams.service import Service

SERVICES: tuple[Service[Any, Any], ...] = ()
