"""One real stack for the whole run, shared by all workers; and a clean environment for every test."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from ops.settings import PREFIX, Settings
from ops.stack import Addresses, Stack

# A slow machine is no failure; the time of a test is bounded as a whole. CI draws the same cases every time.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if "CI" in os.environ else "default")

DATA_DIR = Path(__file__).parent.parent / ".orderflow" / "tests"


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_the_shell() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(PREFIX):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def stack(_no_settings_from_the_shell: None) -> Addresses:
    """Real Kafka, PostgreSQL and registry. Every worker calls `up`; the first starts them, the others join."""
    return _shared().up()


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> str:
    """A name that no other test has: for topics, tables, subjects on the shared stack."""
    return "t" + hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]


def pytest_sessionstart(session: pytest.Session) -> None:
    if _is_controller(session):  # what a killed run left behind
        _shared().down(purge=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _is_controller(session):
        _shared().down(purge=True)


def _shared() -> Stack:
    # Given in full: the controller's hooks run outside the fixture that cleans the environment.
    return Stack(Settings(data_dir=DATA_DIR, kafka_bootstrap=None, postgres_dsn=None, registry_url=None))


def _is_controller(session: pytest.Session) -> bool:
    return not hasattr(session.config, "workerinput")
