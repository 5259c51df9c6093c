"""One writer a run: an flock that the kernel frees when its process ends, however it ends."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

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
