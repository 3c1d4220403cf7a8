import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from psycopg import Connection
from psycopg.errors import UndefinedTable
from psycopg.sql import SQL, Identifier

from ops.cli import main
from projections import database, migrations
from projections.migrations import Migration, MigrationError

pytestmark = pytest.mark.connected

MODELS = ("checkouts", "inventory", "orders", "payments")
FIRST = Migration("0001_shelf.pre.sql", "CREATE TABLE shelf (id int, old int)")
SECOND = Migration("0002_new.pre.sql", "ALTER TABLE shelf ADD COLUMN new int")
THIRD = Migration("0003_old.post.sql", "ALTER TABLE shelf DROP COLUMN old")
FOURTH = Migration("0004_more.pre.sql", "ALTER TABLE shelf ADD COLUMN more int")


def columns(connection: Connection, schema: str, table: str = "shelf") -> list[str]:
    found = connection.execute(SQL("SELECT * FROM {} WHERE false").format(Identifier(schema, table))).description
    return [each.name for each in found or ()]


def names(applied: list[Migration]) -> list[str]:
    return [each.name for each in applied]


def states(connection: Connection, files: list[Migration]) -> list[str]:
    return [each.state for each in migrations.standing(connection, "a", files)]


@pytest.mark.parametrize("model", MODELS)
def test_a_read_model_is_made_in_any_schema_and_all_its_columns_are_explained(
    connection: Connection, model: str
) -> None:
    for schema in (model, f"{model}_next"):
        migrations.migrate(connection, schema, migrations.of(model))
        silent = connection.execute(
            """
            SELECT table_name, column_name
            FROM information_schema.columns
            WHERE table_schema = %s
            AND col_description(format('%%I.%%I', table_schema, table_name)::regclass, ordinal_position) IS NULL
            """,
            [schema],
        ).fetchall()
        assert silent == []
        assert "next_offset" in columns(connection, schema, "progress")


def test_what_is_applied_is_not_applied_again(connection: Connection) -> None:
    assert states(connection, [FIRST, SECOND]) == ["pending", "pending"]
    assert names(migrations.migrate(connection, "a", [FIRST])) == [FIRST.name]
    assert names(migrations.migrate(connection, "a", [FIRST, SECOND])) == [SECOND.name]
    assert migrations.migrate(connection, "a", [FIRST, SECOND]) == []
    assert states(connection, [FIRST, SECOND]) == ["applied", "applied"]


def test_what_takes_away_waits_until_the_old_code_is_gone(connection: Connection) -> None:
    migrations.migrate(connection, "a", [FIRST])
    assert names(migrations.migrate(connection, "a", [FIRST, SECOND, THIRD])) == [SECOND.name]
    assert columns(connection, "a") == ["id", "old", "new"]
    assert states(connection, [FIRST, SECOND, THIRD]) == ["applied", "applied", "pending"]
    assert names(migrations.migrate(connection, "a", [FIRST, SECOND, THIRD], post=True)) == [THIRD.name]
    assert columns(connection, "a") == ["id", "new"]


def test_a_new_schema_has_no_old_code(connection: Connection) -> None:
    migrations.migrate(connection, "a", [FIRST, SECOND, THIRD, FOURTH])
    assert columns(connection, "a") == ["id", "new", "more"]


def test_an_addition_behind_what_is_yet_to_be_taken_away_is_refused(connection: Connection) -> None:
    migrations.migrate(connection, "a", [FIRST])
    with pytest.raises(MigrationError, match=r"0004_more\.pre\.sql comes after 0003_old\.post\.sql.*--post"):
        migrations.migrate(connection, "a", [FIRST, SECOND, THIRD, FOURTH])
    assert columns(connection, "a") == ["id", "old"]


def test_a_file_that_was_changed_after_it_was_applied_is_refused(connection: Connection) -> None:
    migrations.migrate(connection, "a", [FIRST])
    changed = Migration(FIRST.name, FIRST.text + " ")
    with pytest.raises(MigrationError, match=r"schema a: 0001_shelf\.pre\.sql was changed .* into a new file"):
        migrations.migrate(connection, "a", [changed, SECOND])
    assert states(connection, [changed, SECOND]) == ["changed", "pending"]
    assert columns(connection, "a") == ["id", "old"]


def test_older_code_says_what_only_newer_code_knows_and_goes_on(connection: Connection) -> None:
    migrations.migrate(connection, "a", [FIRST, SECOND])
    assert migrations.migrate(connection, "a", [FIRST]) == []
    assert states(connection, [FIRST]) == ["applied", "unknown"]


def test_one_mistake_leaves_nothing_behind(connection: Connection) -> None:
    with pytest.raises(UndefinedTable):
        migrations.migrate(
            connection, "a", [FIRST, Migration("0002_x.pre.sql", "ALTER TABLE nowhere ADD COLUMN x int")]
        )
    assert states(connection, [FIRST]) == ["pending"]


def test_two_at_once_apply_each_file_once(dsn: str) -> None:
    def run(_: int) -> int:
        with database.opened(dsn) as connection:
            return len(migrations.migrate(connection, "orders", migrations.of("orders")))

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(run, range(4))) == [0, 0, 0, 1]


@pytest.mark.parametrize(
    "files",
    [["0002_b.pre.sql"], ["0001_a.pre.sql", "0003_c.pre.sql"], ["0001_a.sql"], ["0001_a.pre.sql", "0001_b.pre.sql"]],
)
def test_a_gap_or_another_name_is_refused(tmp_path: Path, files: list[str]) -> None:
    (tmp_path / "a").mkdir()
    for file in files:
        (tmp_path / "a" / file).touch()
    with pytest.raises(MigrationError, match="without a gap"):
        migrations.of("a", tmp_path)


@pytest.fixture
def run(dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    monkeypatch.setenv("ORDERFLOW_POSTGRES_DSN", dsn)

    def running(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["orderflow", "database", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert ended.value.code == 0, err
        return out

    return running


def test_the_command_makes_every_schema_and_says_how_they_stand(run: Callable[..., str]) -> None:
    assert run("status").count("pending") >= len(MODELS)
    assert "+ orders: 0001_orders.pre.sql\n" in run("migrate")
    assert run("migrate", "--json") == "[]\n"
    assert "pending" not in run("status", "--json")
