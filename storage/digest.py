"""Digests: SHA-256 of bytes, of files, and of plain values through canonical JSON."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

KEY_LENGTH = 16


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no spaces: equal values give equal bytes. NaN is refused with a ValueError."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def sha256_bytes(data: bytes) -> str:
    """Hex digest of `data`."""
    return hashlib.sha256(data).hexdigest()


def sha256_value(value: Any) -> str:
    """Hex digest of a JSON value, independent of key order."""
    return sha256_bytes(canonical_json(value))


def sha256_file(path: str | Path) -> str:
    """Hex digest of a local file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_directory(path: str | Path) -> str:
    """Hex digest over the relative names and bytes of every file below a local directory."""
    root = Path(path)
    names = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    return sha256_value({name: sha256_file(root / name) for name in names})


def derive_seed(*parts: int | str) -> int:
    """A 31-bit seed that depends on every part: (seed, round, pass, sample) and the like."""
    return int(sha256_value(list(parts))[:8], 16) & 0x7FFFFFFF
