"""The registries that keep one contract: in memory, and the real one of the local stack."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from streams.confluent import ConfluentRegistry
from streams.registry import ManagedRegistry
from streams.testing.registry import MemoryRegistry

#: Opens the registry under test; the flag says whether producers may register.
Open = Callable[[bool], ManagedRegistry]


@pytest.fixture(
    params=[
        "memory",
        pytest.param("apicurio", marks=pytest.mark.connected),
    ]
)
def opened(request: pytest.FixtureRequest) -> Iterator[Open]:
    if request.param == "memory":
        yield lambda registers: MemoryRegistry(registers=registers)
        return
    url = request.getfixturevalue("stack").registry
    with ExitStack() as exits:
        yield lambda registers: exits.enter_context(closing(ConfluentRegistry({"url": url}, registers=registers)))


@pytest.fixture
def registry(opened: Open) -> ManagedRegistry:
    return opened(False)


@pytest.fixture
def subject(unique: str) -> str:
    return f"payments.{unique}.events-orderflow.payments.PaymentFailed"
