"""Docstrings are written for people; what reStructuredText would misread in them is put right."""

import re

from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    """Comes before Napoleon, which reads the sections."""
    app.connect("autodoc-process-docstring", _put_right, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _put_right(app: Sphinx, what: str, name: str, item: object, options: object, lines: list[str]) -> None:
    found: list[str] = []
    for line in lines:
        if found and found[-1].startswith(" ") and line[:1].strip():
            found.append("")  # the end of an indented block
        parts = re.split(r"(`[^`]*`)", line)  # code stays as it is
        found.append("".join(part if part.startswith("`") else part.replace("|", r"\|") for part in parts))
    lines[:] = found
