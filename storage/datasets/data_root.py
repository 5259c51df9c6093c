"""Files of a data set are below its root, and nowhere else."""

from __future__ import annotations

from pathlib import Path

from storage.datasets.rows import Place, bad


def path_below(root: Path, relative: str, place: Place, name: str = "video") -> str:
    """The absolute path of what field `name` names, links followed; BadRow if it is not below the data root."""
    try:
        path = (root.absolute() / relative).resolve()
        inside = path != root.resolve() and path.is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError):  # no path at all: a zero byte, links in a circle
        inside = False
    if not inside:
        raise bad(*place, name, relative, "a file below the data root")
    return str(path)
