"""The HTTP API: queries on the Order Database, and commands into the pipeline."""

from pathlib import Path

#: Its statements.
SQL_FOLDER = Path(__file__).parent / "sql"
