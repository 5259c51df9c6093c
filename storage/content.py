"""The digest of a file that is read again and again: its bytes are hashed once, as long as nobody touches it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from storage.digest import sha256_file

_SETTLED_NS = 2 * 10**9
"""A file changed less than this ago may change once more within one tick of its disk's clock."""

_known: dict[str, tuple[tuple[int, ...], str]] = {}


def content_sha256(path: str | Path) -> str:
    """Hex digest of a local file's bytes, hashed anew in this process only if its size, times or place changed."""
    state = _state(path)
    seen, digest = _known.get(str(path), (None, ""))
    if seen == state:
        return digest
    digest = sha256_file(path)
    *_, changed = state
    if _state(path) == state and time.time_ns() - changed > _SETTLED_NS:
        _known[str(path)] = (state, digest)
    return digest


def _state(path: str | Path) -> tuple[int, ...]:
    """What changes with every write: the time of the last change, last here, cannot be set by hand."""
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
