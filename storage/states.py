"""States: what a stage needs to go on where it was killed, kept beside its shards until the attempt is complete.

A state is no output: no manifest names it, and it goes when a later one is there or the stage has ended. `keep_state`
is called before the shard of the same index is committed, so whoever finds the shard finds the state.
"""

from __future__ import annotations

import uuid
from pathlib import Path

from storage.digest import sha256_file
from storage.seal import sealed, unsealed
from storage.shards import Attempt

_DIGESTS = "digests.json"
_PREFIX = "state-"


def keep_state(attempt: Attempt, index: int, source: Path) -> None:
    """Moves the finished local folder `source` beside the shards as the state in which shard `index` ended."""
    digests = {path.relative_to(source).as_posix(): sha256_file(path) for path in source.rglob("*") if path.is_file()}
    (source / _DIGESTS).write_bytes(sealed({"files": digests}))
    attempt.files.create_folder(f"{attempt.folder}/{_name(index)}-{uuid.uuid4().hex[:12]}", source)


def latest_state(attempt: Attempt) -> tuple[int, Path] | None:
    """Index and local folder of the last state whose bytes are whole and up to whose shard all are committed."""
    index = 0
    while attempt.committed(index):
        index += 1
    found = attempt.files.names(attempt.folder)
    for i in reversed(range(index)):
        for name in (name for name in found if name.startswith(f"{_name(i)}-")):
            if _is_whole(attempt, name):
                return i, attempt.files.local(f"{attempt.folder}/{name}")
    return None


def drop_states(attempt: Attempt, before: int) -> None:
    """Removes the states of the shards before index `before`."""
    for name in attempt.files.names(attempt.folder):
        if name.startswith(_PREFIX) and int(name.split("-")[1]) < before:
            attempt.files.remove(f"{attempt.folder}/{name}")


def _name(index: int) -> str:
    return f"{_PREFIX}{index:05d}"


def _is_whole(attempt: Attempt, name: str) -> bool:
    folder = f"{attempt.folder}/{name}"
    try:
        digests = unsealed(attempt.files.read(f"{folder}/{_DIGESTS}"))["files"]
        return all(attempt.files.digest(f"{folder}/{file}")[0] == sha256 for file, sha256 in digests.items())
    except (FileNotFoundError, ValueError):
        return False
