"""Docstrings are written for people; what reStructuredText would read as markup in them is escaped."""

import re

from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    """Escapes before Napoleon reads the sections."""
    app.connect("autodoc-process-docstring", _escape, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _escape(app: Sphinx, what: str, name: str, item: object, options: object, lines: list[str]) -> None:
    for i, line in enumerate(lines):
        parts = re.split(r"(`[^`]*`)", line)  # code stays as it is
        lines[i] = "".join(part if part.startswith("`") else re.sub(r"([|])", r"\\\1", part) for part in parts)
