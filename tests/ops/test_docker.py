"""docker-compose.yml and the Dockerfile, held together with the code. No test needs a Docker engine."""

import asyncio
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from examples.python.patience import patience
from ops.settings import Settings, variable
from ops.stack import Addresses, kafka, postgres, registry
from ops.stack.artifacts import KAFKA_VERSION, REGISTRY
from ops.stack.kafka import Node, properties
from ops.stack.ports import choose
from ops.worker.health import Health
from ops.worker.http import served
from ops.worker.process import END_SECONDS
from streams.hosting import Hosted
from tests.ops.worker.fakes import FakeEngine, surroundings

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

#: What depends on where a broker runs: names, ports and directories of the container.
PLACES = {
    "controller.quorum.voters",
    "listeners",
    "advertised.listeners",
    "inter.broker.listener.name",
    "log.dirs",
}


def image(service: str) -> str:
    return str(SERVICES[service]["image"])


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", DOCKERFILE, re.MULTILINE)


def test_compose_keeps_the_compose_specification() -> None:
    check = [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stdout


def test_the_parts_have_the_versions_of_the_local_stack() -> None:
    assert image("kafka") == f"apache/kafka:{KAFKA_VERSION}"
    assert image("registry") == f"apicurio/apicurio-registry:{REGISTRY.version}"
    assert image("postgres") == "postgres:18"


@pytest.mark.connected
def test_the_local_postgres_has_the_major_version_of_the_image(stack: Addresses) -> None:
    answer = postgres.ask(stack.postgres)
    assert answer is not None
    assert (answer.version or "").split(".")[0] == image("postgres").partition(":")[2]


def test_the_parts_listen_where_the_local_stack_does_by_default_and_on_loopback_alone() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert {name: [port.rpartition(":")[0] for port in ports] for name, ports in published.items()} == {
        "kafka": [f"127.0.0.1:{kafka.DEFAULT_PORT}"],
        "postgres": [f"127.0.0.1:{postgres.DEFAULT_PORT}"],
        "registry": [f"127.0.0.1:{registry.DEFAULT_PORT}"],
    }


def test_kafka_has_the_settings_of_the_local_broker() -> None:
    node = Node(1, 9092, 9093)
    local = dict(line.split("=", 1) for line in properties(node, [node], Path("/data")).splitlines())
    # The image's rule: KAFKA_ and the property in capitals, dots as underscores.
    image_settings = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): str(value)
        for name, value in SERVICES["kafka"]["environment"].items()
    }
    assert {name: value for name, value in image_settings.items() if name in local and name not in PLACES} == {
        name: value for name, value in local.items() if name not in PLACES
    }


def test_the_registry_has_the_rule_and_the_database_schema_of_the_local_one() -> None:
    settings = SERVICES["registry"]["environment"]
    local = registry._settings(registry.DEFAULT_PORT, Path("/log"))  # noqa: SLF001 - what is compared with
    assert {name: settings[name] for name in settings if name in local} == {
        name: local[name] for name in ("APICURIO_RULES_GLOBAL_COMPATIBILITY", "QUARKUS_OTEL_SDK_DISABLED")
    }
    assert f"currentSchema={registry.SCHEMA}" in settings["APICURIO_DATASOURCE_URL"]
    assert COMPOSE["configs"]["registry-schema"]["content"] == f"create schema {registry.SCHEMA};"


def test_every_setting_of_ours_exists_and_points_at_a_service() -> None:
    ours = {
        name: value
        for service in SERVICES.values()
        for name, value in service.get("environment", {}).items()
        if name.startswith("ORDERFLOW_")
    }
    assert set(ours) <= {variable(field) for field in Settings.model_fields}
    assert ours["ORDERFLOW_KAFKA_BOOTSTRAP"] in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    database = urlsplit(ours["ORDERFLOW_POSTGRES_DSN"])
    account = SERVICES["postgres"]["environment"]
    assert (database.username, database.password, database.path.strip("/")) == (
        account["POSTGRES_USER"],
        account["POSTGRES_PASSWORD"],
        account["POSTGRES_DB"],
    )
    published = SERVICES["registry"]["ports"][0].rpartition(":")[2]
    assert ours["ORDERFLOW_REGISTRY_URL"] == registry.url(int(published)).replace("127.0.0.1", "registry")


def test_data_outlive_the_containers() -> None:
    mounted = {name: service["volumes"] for name, service in SERVICES.items() if "volumes" in service}
    assert mounted == {
        "kafka": [f"kafka:{SERVICES['kafka']['environment']['KAFKA_LOG_DIRS']}"],
        "postgres": ["postgres:/var/lib/postgresql"],  # from 18 on; before it was …/postgresql/data
    }
    assert set(COMPOSE["volumes"]) == {"kafka", "postgres"}


def test_up_waits_for_health_and_for_nothing_that_ends() -> None:
    always = {name: service for name, service in SERVICES.items() if "profiles" not in service}
    assert all("healthcheck" in service for service in always.values())


@pytest.mark.connected
def test_the_registrys_health_check_tells_a_registry_that_answers_from_none(stack: Addresses) -> None:
    [kind, shell, option, script] = SERVICES["registry"]["healthcheck"]["test"]
    assert (kind, shell, option) == ("CMD", "bash", "-c")

    def healthy(port: int | None) -> bool:
        here = script.replace("$$", "$").replace("127.0.0.1/8080", f"127.0.0.1/{port}")
        bash = shutil.which("bash")
        assert bash is not None
        return subprocess.run([bash, "-c", here], capture_output=True, check=False, timeout=10).returncode == 0

    assert healthy(urlsplit(stack.registry).port)
    assert not healthy(choose(1))


def test_the_image_is_built_in_one_stage_and_runs_from_another_without_root() -> None:
    build, run = instructions("FROM")
    assert build == f"{run} AS build"
    assert instructions("USER") == ["orderflow"]
    assert DOCKERFILE.index("USER orderflow") > DOCKERFILE.index("COPY --from=build")
    assert DOCKERFILE.index("USER orderflow") < DOCKERFILE.index("ENTRYPOINT")


def test_no_image_is_the_latest() -> None:
    images = [*instructions("FROM"), *(service["image"] for service in SERVICES.values() if "image" in service)]
    assert all(re.search(r":\d", name) and "latest" not in name for name in images)


def test_the_images_python_is_one_that_the_project_supports() -> None:
    (version,) = {tuple(map(int, each)) for each in re.findall(r"python:(\d+)\.(\d+)", DOCKERFILE)}
    lowest, highest = (
        tuple(map(int, each)) for each in re.findall(r"(\d+)\.(\d+)", PROJECT["project"]["requires-python"])
    )
    assert lowest <= version < highest


def test_one_version_of_uv_builds_everything() -> None:
    (makefile,) = re.findall(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert f"uv=={makefile}" in PROJECT["dependency-groups"]["dev"]
    assert re.findall(r"uv==([\d.]+)", DOCKERFILE) == [makefile]


def test_the_build_gets_what_it_needs_and_nothing_that_it_does_not() -> None:
    ignored = {line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[:1] != "#"}
    assert {"tests", "docs", "examples", ".git", ".venv", ".orderflow", "**/node_modules"} <= ignored
    needed = {
        "pyproject.toml",
        "uv.lock",
        PROJECT["project"]["readme"],
        *PROJECT["project"]["license-files"],
        *PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"],
    }
    assert not needed & ignored
    assert all((ROOT / name).exists() for name in needed)


def test_the_containers_run_commands_that_exist() -> None:
    commands = [
        *(each.split() for each in SERVICES["contract"]["entrypoint"][-1].split(" && ")),
        ["orderflow", *SERVICES["worker"]["command"]],
    ]
    for command in commands:
        program, *arguments = command
        done = subprocess.run([BIN / program, *arguments, "--help"], capture_output=True, check=False, timeout=30)
        assert done.returncode == 0, command


def test_a_worker_starts_after_the_contract_is_in_place_and_with_its_environment() -> None:
    worker = SERVICES["worker"]
    assert worker["depends_on"] == {"contract": {"condition": "service_completed_successfully"}}
    assert set(worker["profiles"]) <= set(SERVICES["contract"]["profiles"])
    assert SERVICES["contract"]["environment"].items() <= worker["environment"].items()
    assert set(worker["environment"]) <= {variable(field) for field in Settings.model_fields}


def test_a_worker_is_given_longer_than_its_drain_takes() -> None:
    assert float(SERVICES["worker"]["stop_grace_period"].removesuffix("s")) > Settings().drain_seconds + END_SECONDS


def test_the_workers_health_check_tells_one_that_is_ready_from_one_that_is_not() -> None:
    [kind, python, option, program] = SERVICES["worker"]["healthcheck"]["test"]
    assert (kind, python, option) == ("CMD", "python", "-c")
    port = str(SERVICES["worker"]["environment"]["ORDERFLOW_HTTP_PORT"])

    async def healthy(health: Health) -> bool:
        async with served(health, "127.0.0.1", 0) as url:
            here = program.replace(f"http://127.0.0.1:{port}", url)
            assert url in here
            probe = await asyncio.create_subprocess_exec(sys.executable, "-c", here, stderr=asyncio.subprocess.DEVNULL)
            return await asyncio.wait_for(probe.wait(), 30) == 0

    ready = Health()
    ready.engines = {"patience": FakeEngine(Hosted(patience), surroundings())}
    assert asyncio.run(healthy(ready))
    assert not asyncio.run(healthy(Health()))
