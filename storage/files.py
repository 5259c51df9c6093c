"""Where a run's bytes live: a local folder or an object-store URL, behind one small interface.

The one way to write is `create`: whole, durable and create-only. A reader sees a file complete or not at all, a
second writer of the same name loses, and nothing is ever changed in place. `remove` is for what a tombstone names and
for states (states.py).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
import uuid
import weakref
from functools import cached_property
from pathlib import Path

import fsspec

from storage.errors import UserError

_PIECE_BYTES = 1 << 20


class Files:
    """The files below `root`; every method takes paths relative to it, with forward slashes.

    UserError if nothing can be below `root`: a file is in its place, or no store has its scheme.
    """

    def __init__(self, root: str | Path) -> None:
        self.url = str(root)
        # No listing is remembered: another process may have written since.
        try:
            self._fs, self._root = fsspec.core.url_to_fs(self.url, use_listings_cache=False)
        except (ValueError, ImportError) as error:  # a scheme that nobody knows, or whose package is missing
            raise UserError(f"{self.url}: {error}; give a local folder or an s3:// URL") from error
        if self.is_local:
            _check_folder(self.url, Path(self._root))
        self._fetched: set[str] = set()
        self._fetching = threading.Lock()

    def __reduce__(self) -> tuple[type[Files], tuple[str]]:
        """Another process has downloads of its own."""
        return Files, (self.url,)

    @property
    def is_local(self) -> bool:
        """Whether `root` is a folder of this machine."""
        return isinstance(self._fs, fsspec.implementations.local.LocalFileSystem)

    @property
    def filesystem(self) -> fsspec.AbstractFileSystem:
        """The fsspec filesystem, for readers that speak it (DuckDB, pyarrow)."""
        return self._fs

    def full(self, path: str) -> str:
        """`path` as other programs name it: absolute on disk, a URL otherwise."""
        joined = f"{self._root}/{path}"
        return joined if self.is_local else str(self._fs.unstrip_protocol(joined))

    def exists(self, path: str) -> bool:
        """Whether a file or folder is at `path`."""
        return bool(self._fs.exists(f"{self._root}/{path}"))

    def read(self, path: str) -> bytes:
        """The bytes at `path`; FileNotFoundError if there are none."""
        return bytes(self._fs.cat_file(f"{self._root}/{path}"))

    def names(self, path: str) -> list[str]:
        """Sorted names directly below `path`; empty if there is no such folder. Temporary files are left out."""
        folder = f"{self._root}/{path}" if path else self._root
        if not self._fs.exists(folder):
            return []
        found = (entry.rstrip("/").rsplit("/", 1)[-1] for entry in self._fs.ls(folder, detail=False))
        return sorted(name for name in found if not name.startswith("."))

    def walk(self, path: str) -> dict[str, int]:
        """Every file below `path`, hidden ones too, with its size in bytes; empty if there is no such folder."""
        start = f"{self._root}/{path}".rstrip("/")
        self._fs.invalidate_cache()
        found = self._fs.find(start, detail=True)
        return {name.removeprefix(f"{self._root}/"): int(entry["size"] or 0) for name, entry in sorted(found.items())}

    def digest(self, path: str) -> tuple[str, int]:
        """SHA-256 and number of the bytes at `path`, read in pieces; FileNotFoundError if there are none."""
        hashed, num_bytes = hashlib.sha256(), 0
        with self._fs.open(f"{self._root}/{path}", "rb") as file:
            while piece := file.read(_PIECE_BYTES):
                hashed.update(piece)
                num_bytes += len(piece)
        return hashed.hexdigest(), num_bytes

    def remove(self, path: str) -> None:
        """Removes the file or folder at `path`, if one is there. Only `prune`, after its tombstone, and for states."""
        if self.exists(path):
            self._fs.rm(f"{self._root}/{path}", recursive=True)

    def create(self, path: str, data: bytes) -> bool:
        """Writes `data` to the new file `path`, durably; False, and nothing written, if it exists already."""
        if not self.is_local:
            try:
                self._fs.pipe_file(f"{self._root}/{path}", data, mode="create")
            except FileExistsError:
                return False
            return True
        target = Path(self._root) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.parent / f".{uuid.uuid4().hex}.tmp"
        try:
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.link(temporary, target)
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(target.parent)
        return True

    def create_next(self, prefix: str, data: bytes) -> str:
        """Writes `data` to the new file `<prefix>00000.json`, or to the number after the last; returns its path."""
        folder, _, start = prefix.rpartition("/")
        numbers = [int(name.removeprefix(start)[:5]) for name in self.names(folder) if name.startswith(start)]
        number = max(numbers, default=-1) + 1
        while not self.create(f"{prefix}{number:05d}.json", data):
            number += 1
        return f"{prefix}{number:05d}.json"

    def replace(self, path: str, data: bytes) -> None:
        """Writes `data` to `path`, whole, over what was there: for what can be derived again, never for a table."""
        if not self.is_local:
            self._fs.pipe_file(f"{self._root}/{path}", data)
            return
        temporary = self.scratch() / "file"
        temporary.write_bytes(data)
        temporary.replace(Path(self._root) / path)
        temporary.parent.rmdir()

    def create_folder(self, path: str, source: Path) -> None:
        """Moves the finished local folder `source` to the new folder `path`, durably."""
        if not self.is_local:
            self._fs.put(f"{source}/", f"{self._root}/{path}/", recursive=True)
            shutil.rmtree(source)
            return
        for file in source.rglob("*"):
            if file.is_file():
                with open(file, "rb") as handle:
                    os.fsync(handle.fileno())
        target = Path(self._root) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        os.rename(source, target)
        _sync_folder(target.parent)

    def scratch(self) -> Path:
        """A new local folder to prepare files in, on the run's own disk where it has one."""
        base = Path(self._root) / ".scratch" if self.is_local else None
        if base is not None:
            base.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=base))

    def working_folder(self, path: str) -> Path:
        """A local folder for what may be lost: in the run where it is local, else this process's own, gone with it."""
        with self._fetching:
            return (Path(self._root) if self.is_local else self._own_folder) / path

    @cached_property
    def _own_folder(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="deepvideo-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    def local(self, path: str) -> Path:
        """A local path that holds what is at `path` (file or folder), downloaded once where that is needed."""
        if self.is_local:
            return Path(self._root) / path
        with self._fetching:
            target = self._own_folder / path
            if path not in self._fetched:  # a folder that exists may hold one file that was asked for alone
                is_folder = self._fs.isdir(f"{self._root}/{path}")
                end = "/" if is_folder else ""
                self._fs.get(f"{self._root}/{path}{end}", f"{target}{end}", recursive=is_folder)
                self._fetched.add(path)
        return target


def _check_folder(url: str, root: Path) -> None:
    if not url:
        raise UserError("the run directory has no name; give a local folder or an s3:// URL")
    there = next(place for place in (root, *root.parents) if place.exists())
    if not there.is_dir():
        raise UserError(f"{url}: {there} is a file, not a folder; choose another --run-dir")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
