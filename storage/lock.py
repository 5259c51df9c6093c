"""One writer a run: an flock that the kernel frees when its process ends, however it ends."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from storage import layout
from storage.errors import RunBusy
from storage.files import Files

KERNEL_LOCKS = Path("/proc/locks")


@contextmanager
def run_lock(files: Files) -> Iterator[None]:
    """Holds the run's lock; RunBusy naming the holder if another process has it.

    On an object store there is no lock: create-only commits alone keep two writers from harming each other.
    """
    if not files.is_local:
        yield
        return
    path = files.local(layout.LOCK)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise RunBusy(
                f"{files.url}: another process works on this run ({file.read() or 'unnamed'}); "
                "a run has one writer: wait for it, stop it, or choose another --run-dir"
            ) from None
        file.truncate(0)
        file.write(json.dumps({"host": socket.gethostname(), "pid": os.getpid()}))
        file.flush()
        yield


def lock_holder(files: Files) -> dict[str, Any] | None:
    """Who works on the run now (`host`, `pid`), None if nobody does or, on an object store, nobody can know.

    Asking does not touch the lock: the kernel's table says whether a process of this machine holds it. Only another
    machine's, or where there is no such table, has to be tried, shared and for an instant.
    """
    holder = last_holder(files)
    if holder is None or not is_alive(holder):
        return None
    if holder["host"] == socket.gethostname() and KERNEL_LOCKS.exists():
        return holder if _holds(holder["pid"], os.stat(files.local(layout.LOCK)).st_ino) else None
    with open(files.local(layout.LOCK), encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return holder
    return None


def last_holder(files: Files) -> dict[str, Any] | None:
    """Who took the lock last (`host`, `pid`), though it may have let go of it; None if nobody ever did."""
    if not files.is_local or not files.exists(layout.LOCK):
        return None
    try:
        holder: dict[str, Any] = json.loads(files.read(layout.LOCK))
    except ValueError:  # somebody is taking it at this moment
        return None
    return holder


def is_alive(holder: dict[str, Any]) -> bool:
    """Whether a holder's process may exist: it does, or it is on another machine."""
    if holder["host"] != socket.gethostname():
        return True
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's process is alive
    return True


def _holds(pid: int, inode: int) -> bool:
    """Whether the kernel lists a lock of that process on that file."""
    rows = (line.split() for line in KERNEL_LOCKS.read_text(encoding="utf-8").splitlines())
    return any(row[1] == "FLOCK" and row[4] == str(pid) and row[5].endswith(f":{inode}") for row in rows)
