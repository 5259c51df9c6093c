"""Files of a data set are below its root, and nowhere else."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from storage.datasets.rows import Place, bad

_resolved = lru_cache(os.path.realpath)  # of the root, which is the same for every row


def path_below(root: Path, relative: str, place: Place, name: str = "video") -> str:
    """The absolute path of what field `name` names, links followed; BadRow if it is not below the data root."""
    top = os.path.join(_resolved(root), "")
    try:
        path = os.path.realpath(os.path.join(top, relative))
    except (OSError, ValueError):  # no path at all: a zero byte
        path = ""
    if not path.startswith(top):
        raise bad(*place, name, relative, "a file below the data root")
    return path
