"""One writer a run: an flock that the kernel frees when its process ends, however it ends."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from storage import layout
from storage.errors import RunBusy
from storage.files import Files


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

    A holder of this machine whose process is gone is nobody, so the lock is only tried where somebody may hold it.
    """
    if not files.is_local or not files.exists(layout.LOCK):
        return None
    try:
        holder: dict[str, Any] = json.loads(files.read(layout.LOCK))
        if holder["host"] == socket.gethostname():
            os.kill(holder["pid"], 0)
    except (ValueError, KeyError, ProcessLookupError):
        return None
    except PermissionError:
        pass  # another user's process is alive
    with open(files.local(layout.LOCK), encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return holder
    return None
