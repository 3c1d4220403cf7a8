"""The endpoints as a watcher meets them: by HTTP, on a free port."""

import asyncio
import logging
from dataclasses import replace
from typing import Any

import httpx
import pytest

from examples.python.patience import patience
from ops.worker.health import Health
from ops.worker.http import AddressTakenError, served
from streams.hosting import Hosted
from tests.ops.worker.fakes import JOINING, READY, RECOVERING, FakeEngine, kindness, surroundings

HOST = "127.0.0.1"


def asked(health: Health, *paths: str) -> list[tuple[int, Any]]:
    """Status and body of each, one after the other."""

    async def asking() -> list[tuple[int, Any]]:
        async with served(health, HOST, 0) as url:
            return [await asyncio.to_thread(_get, url + path) for path in paths]

    return asyncio.run(asking())


def _get(url: str) -> tuple[int, Any]:
    answer = httpx.get(url, timeout=5)
    return answer.status_code, answer.json() if "json" in answer.headers["Content-Type"] else answer.text


def health(*engines: FakeEngine) -> Health:
    found = Health()
    found.engines = {engine.service.name: engine for engine in engines}
    return found


def engine(**status: Any) -> FakeEngine:
    made = FakeEngine(Hosted(patience), surroundings())
    made.is_status = replace(READY, **status)
    return made


def test_a_worker_whose_services_all_have_their_partitions_and_state_is_ready() -> None:
    [(live, _), (ready, said)] = asked(health(engine()), "/live", "/ready")
    assert (live, ready, said["ready"], said["missing"]) == (200, 200, True, {})
    assert said["services"]["patience"]["partitions"][0]["lag"] == 7
    assert said["services"]["patience"]["recovery_percent"] == 100.0


def test_a_worker_without_partitions_is_ready_because_that_is_its_share() -> None:
    assert asked(health(engine(partitions=())), "/ready")[0][0] == 200


def test_before_the_group_gave_partitions_it_lives_and_is_not_ready() -> None:
    joining = engine()
    joining.is_status = JOINING
    [(live, _), (ready, said)] = asked(health(joining), "/live", "/ready")
    assert (live, ready, said["missing"]) == (200, 503, {"patience": "its share of partitions"})


def test_while_it_recovers_it_says_how_far_it_is_and_how_long_it_takes() -> None:
    recovering = engine()
    recovering.is_status = RECOVERING
    [(status, said)] = asked(health(recovering), "/ready")
    assert (status, said["missing"]) == (503, {"patience": "recovery"})
    service = said["services"]["patience"]
    # 25 and 50 of 100 each; the slower of the two counts.
    assert (service["recovery_percent"], service["eta_seconds"]) == (37.5, 12.5)


def test_one_service_that_is_not_ready_keeps_the_process_from_it_and_is_named() -> None:
    other = FakeEngine(Hosted(kindness), surroundings())
    other.is_status = replace(JOINING, service="kindness")
    [(status, said)] = asked(health(engine(), other), "/ready")
    assert (status, list(said["missing"])) == (503, ["kindness"])


def test_a_failed_service_makes_the_process_neither_live_nor_ready() -> None:
    failed = engine()
    failed.failure = RuntimeError("the data thread has not moved for 60 s")
    [(live, why), (ready, said)] = asked(health(failed), "/live", "/ready")
    text = "RuntimeError: the data thread has not moved for 60 s"
    assert (live, why) == (503, {"live": False, "failures": {"patience": text}})
    assert (ready, said["missing"]) == (503, {"patience": text})


def test_before_its_checks_are_through_and_while_it_drains_it_lives_and_is_not_ready() -> None:
    [(live, _), (ready, said)] = asked(health(), "/live", "/ready")
    assert (live, ready, said["missing"]) == (200, 503, {"worker": "its start-up checks"})
    draining = health(engine())
    draining.draining = True
    [(live, _), (ready, said)] = asked(draining, "/live", "/ready")
    assert (live, ready, said["missing"]) == (200, 503, {"worker": "it drains: it was told to stop"})


def test_the_index_names_the_rest_and_metrics_are_prometheus_text() -> None:
    [(_, index), (status, metrics), (unknown, _)] = asked(health(engine()), "/", "/metrics", "/table")
    assert index == {"orderflow": "worker", "services": ["patience"], "see": ["/live", "/ready", "/metrics"]}
    assert status == 200
    assert 'orderflow_lag_records{partition="0",service="patience"} 7.0' in metrics
    assert "process_cpu_seconds_total" in metrics
    assert unknown == 404


def test_no_request_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="aiohttp"):
        asked(health(engine()), "/live", "/metrics")
    assert caplog.records == []


def test_a_port_that_somebody_has_is_named_with_what_to_do() -> None:
    async def twice() -> None:
        async with served(Health(), HOST, 0) as url:
            port = int(url.rpartition(":")[2])
            async with served(Health(), HOST, port):
                pass

    with pytest.raises(AddressTakenError, match=r"can't listen on 127\.0\.0\.1:\d+; set ORDERFLOW_HTTP_PORT"):
        asyncio.run(twice())
