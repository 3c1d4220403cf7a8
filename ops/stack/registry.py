"""Apicurio as the schema registry, through its Confluent-compatible API, with its schemas in PostgreSQL."""

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlencode

from ops.stack import process
from ops.stack.artifacts import REGISTRY, Artifacts
from ops.stack.errors import StackError
from ops.stack.java import java
from ops.stack.layout import Layout
from ops.stack.part import Answer, LocalPart, PartStatus
from ops.stack.ports import HOST
from ops.stack.state import State

DEFAULT_PORT = 8081
SCHEMA = "registry"
_START_SECONDS = 90
_STOP_SECONDS = 10
_ASK_SECONDS = 5
_MEMORY = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def url(port: int) -> str:
    return f"http://{HOST}:{port}/apis/ccompat/v7"


def ask(client_settings: Mapping[str, str], *, through_proxy: bool = True) -> Answer | None:
    """`client_settings` as Confluent's client takes them: with the login and the certificates of a given registry."""
    import httpx  # noqa: PLC0415 -- `orderflow --help` stays quick

    login = client_settings.get("basic.auth.user.info")
    try:
        response = httpx.get(
            f"{client_settings['url'].rstrip('/')}/subjects",
            auth=httpx.BasicAuth(*login.split(":", 1)) if login else None,
            verify=_tls(client_settings),
            timeout=_ASK_SECONDS,
            trust_env=through_proxy,
        )
    except (httpx.HTTPError, httpx.InvalidURL, OSError):  # OSError: a certificate that cannot be read
        return None
    return Answer() if response.status_code == httpx.codes.OK else None


def _tls(client_settings: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=client_settings.get("ssl.ca.location"))
    if (certificate := client_settings.get("ssl.certificate.location")) is not None:
        context.load_cert_chain(certificate, client_settings.get("ssl.key.location"))
    return context


def ask_local(port: int) -> Answer | None:
    # No proxy reaches our loopback, whatever the environment says.
    return ask({"url": url(port)}, through_proxy=False)


class Registry(LocalPart):
    name = "registry"

    def __init__(self, layout: Layout, state: State, artifacts: Artifacts, database: Callable[[], str]) -> None:
        """`database` waits for PostgreSQL and gives its DSN; until then the download can run."""
        self._layout = layout
        self._state = state
        self._artifacts = artifacts
        self._database = database
        self._directory = layout.part(self.name)

    def start(self) -> str:
        home = self._artifacts.registry_home()
        database = _Database(self._database())
        self._directory.mkdir(exist_ok=True)
        running, port = process.find(self._directory), self._state.port(self.name)
        if running is None or port is None or database.marker not in running.cmdline():  # the database moved
            self.down()
            port = self._state.claim_port(self.name, DEFAULT_PORT)
            running = process.start(self._launch(home, port, database))
        process.wait_ready(
            self._launch(home, port, database),
            running,
            port=port,
            answers=lambda: ask_local(port) is not None,
            seconds=_START_SECONDS,
        )
        return url(port)

    def down(self) -> bool:
        running = process.find(self._directory)
        if running is not None:
            process.stop([running], seconds=_STOP_SECONDS)
        return running is not None

    def status(self) -> PartStatus:
        running, port = process.find(self._directory), self._state.port(self.name)
        healthy = running is not None and port is not None and ask_local(port) is not None
        address = url(port) if port is not None else None
        pids = (running.pid,) if running is not None else ()
        return PartStatus(self.name, address, REGISTRY.version, healthy, pids, "local")

    def logs(self) -> list[Path]:
        return [self._layout.log(self.name)]

    def _launch(self, home: Path, port: int, database: "_Database") -> process.Launch:
        log = self._layout.log(self.name)
        [jar] = home.rglob("quarkus-run.jar")
        options = (*_MEMORY, f"-D{process.marker(self._directory)}", database.marker)
        return process.Launch(
            self.name,
            self._directory,
            java(*options, "-jar", str(jar)),
            log,
            process.environment(**database.settings(), **_settings(port, log)),
        )


class _Database:
    """Where the registry keeps its schemas: a schema of its own in the pipeline's database."""

    def __init__(self, dsn: str) -> None:
        import psycopg  # noqa: PLC0415

        try:
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(f"create schema if not exists {SCHEMA}")
                info = connection.info
                self._place = f"{info.host}:{info.port}/{info.dbname}"
                self._account = {
                    "APICURIO_DATASOURCE_USERNAME": info.user,
                    "APICURIO_DATASOURCE_PASSWORD": info.password,
                }
                sslmode = info.get_parameters().get("sslmode", "prefer")
        except psycopg.Error as error:
            raise StackError(
                f"the registry could not make its schema `{SCHEMA}` in PostgreSQL; see: orderflow logs postgres"
            ) from error
        if self._place.startswith("/"):
            raise StackError(
                "the registry reaches PostgreSQL by TCP alone, and ORDERFLOW_POSTGRES_DSN names a socket; "
                "give a host and a port, or a running registry by ORDERFLOW_REGISTRY_URL"
            )
        self._options = urlencode({"currentSchema": SCHEMA, "ApplicationName": "registry", "sslmode": sslmode})
        #: In the command line, so that a running registry can be asked which database it uses.
        self.marker = f"-Dorderflow.database={self._place}"

    def settings(self) -> Mapping[str, str]:
        return {
            "APICURIO_STORAGE_KIND": "sql",
            "APICURIO_STORAGE_SQL_KIND": "postgresql",
            "APICURIO_DATASOURCE_URL": f"jdbc:postgresql://{self._place}?{self._options}",
            **self._account,
        }


def _settings(port: int, log: Path) -> Mapping[str, str]:
    return {
        "QUARKUS_HTTP_HOST": HOST,
        "QUARKUS_HTTP_PORT": str(port),
        # Health and metrics of Quarkus, which we don't use, would listen on every address.
        "QUARKUS_MANAGEMENT_HOST": HOST,
        "QUARKUS_MANAGEMENT_PORT": "0",
        "QUARKUS_OTEL_SDK_DISABLED": "true",
        "QUARKUS_LOG_CONSOLE_ENABLED": "false",
        "QUARKUS_LOG_FILE_ENABLED": "true",
        "QUARKUS_LOG_FILE_JSON_ENABLED": "false",
        "QUARKUS_LOG_FILE_FORMAT": "%d{yyyy-MM-dd HH:mm:ss.SSS} %-5p %c{1} %s%e%n",
        "QUARKUS_LOG_FILE_PATH": str(log),
        "QUARKUS_LOG_FILE_ROTATION_MAX_FILE_SIZE": "10M",
        "QUARKUS_LOG_FILE_ROTATION_MAX_BACKUP_INDEX": "1",
        "QUARKUS_LOG_FILE_ROTATION_ROTATE_ON_BOOT": "false",
        "QUARKUS_LOG_CATEGORY__IO_QUARKUS_HTTP_ACCESS_LOG__LEVEL": "WARN",
        # Every reader must understand every version, old ones too: topics are replayed from the beginning.
        "APICURIO_RULES_GLOBAL_COMPATIBILITY": "FULL_TRANSITIVE",
    }
