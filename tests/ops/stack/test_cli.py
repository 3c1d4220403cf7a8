import json
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from ops.stack import Addresses
from ops.stack.extra import require_local

ORDERFLOW = Path(sys.executable).with_name("orderflow")
ROOT = Path(__file__).parents[3]


def run(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([ORDERFLOW, *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=100)


def test_the_status_of_a_stopped_stack_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    done = run("status", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "orderflow: not healthy: kafka, postgres, registry; run: orderflow up\n"
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["kafka", "AWAY"],
        ["postgres", "AWAY"],
        ["registry", "AWAY"],
    ]


def test_the_status_of_a_stopped_stack_is_json_too(tmp_path: Path) -> None:
    done = run("status", "--json", cwd=tmp_path)
    assert done.returncode == 1
    parts = json.loads(done.stdout)
    assert parts["kafka"] == {
        "bootstrap": None,
        "version": "4.3.0",
        "healthy": False,
        "pids": [],
        "provider": "local",
    }
    assert (parts["postgres"]["dsn"], parts["registry"]["url"]) == (None, None)


def test_asking_for_the_status_leaves_no_trace(tmp_path: Path) -> None:
    run("status", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["down"], ["down", "--purge"]])
def test_down_with_nothing_running_is_fine(tmp_path: Path, arguments: list[str]) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [["up", "--brokers", "0"], ["up", "--brokers", "many"], ["logs", "zookeeper"], ["status", "--yaml"]]
)
def test_wrong_arguments_exit_with_2(tmp_path: Path, arguments: list[str]) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("verb", ["up", "down", "status", "logs"])
def test_every_verb_explains_itself_with_an_example(tmp_path: Path, verb: str) -> None:
    done = run(verb, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert f"orderflow {verb}" in done.stdout


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'psutil', 'jgo', 'confluent_kafka', 'psycopg', 'httpx', 'filelock', 'pydantic'}"
    code = f"import sys, ops.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_missing_package_of_the_extra_is_named_with_the_command_that_installs_it() -> None:
    # As if it were not installed: an entry of None makes the import system deny the module.
    code = "import sys; sys.modules['psutil'] = None; sys.argv[1:] = ['up']; from ops.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "orderflow: the local stack needs psutil, which this environment lacks; run: pip install 'orderflow[local]'\n"
    )


def test_the_extra_is_whole_here() -> None:
    require_local()


def test_a_broken_record_of_the_stack_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / ".orderflow").mkdir()
    (tmp_path / ".orderflow" / "stack.json").write_text("{", encoding="utf-8")
    done = run("status", cwd=tmp_path)
    assert done.returncode == 1
    assert "orderflow down --purge" in done.stderr
    assert "Traceback" not in done.stderr
    assert run("down", "--purge", cwd=tmp_path).returncode == 0


@pytest.mark.connected
def test_given_parts_are_used_and_no_local_one_is_started(
    stack: Addresses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDERFLOW_KAFKA_BOOTSTRAP", stack.kafka)
    monkeypatch.setenv("ORDERFLOW_POSTGRES_DSN", stack.postgres)
    monkeypatch.setenv("ORDERFLOW_REGISTRY_URL", stack.registry)
    done = run("up", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines()] == [stack.kafka, stack.postgres, stack.registry]
    parts = json.loads(run("status", "--json", cwd=tmp_path).stdout)
    assert [(part["provider"], part["healthy"], part["pids"]) for part in parts.values()] == [("given", True, [])] * 3
    assert run("down", cwd=tmp_path).returncode == 0
    with psycopg.connect(stack.postgres) as connection:  # a part that was given isn't ours to stop
        assert connection.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize(
    ("variable", "address"),
    [
        ("ORDERFLOW_KAFKA_BOOTSTRAP", "127.0.0.1:1"),
        ("ORDERFLOW_POSTGRES_DSN", "postgresql://me:hunter2@127.0.0.1:1/orders"),
        ("ORDERFLOW_REGISTRY_URL", "http://127.0.0.1:1"),
    ],
)
@pytest.mark.connected
def test_a_given_part_that_is_away_is_named_by_its_setting(
    stack: Addresses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, address: str
) -> None:
    monkeypatch.setenv("ORDERFLOW_KAFKA_BOOTSTRAP", stack.kafka)
    monkeypatch.setenv("ORDERFLOW_POSTGRES_DSN", stack.postgres)
    monkeypatch.setenv("ORDERFLOW_REGISTRY_URL", stack.registry)
    monkeypatch.setenv(variable, address)
    done = run("up", cwd=tmp_path)
    assert done.returncode == 1
    assert f"does not answer. {variable} names it" in done.stderr
    assert "hunter2" not in done.stderr
