"""A small disk of its own for a test: to be filled, to be made read-only."""

import os
import shutil
import subprocess
from contextlib import contextmanager

import pytest


@contextmanager
def disk(folder, mebibytes):
    """A small disk of its own at `folder`."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "none", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"this machine does not let us mount a disk: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def remount(folder, options):
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


def fill(folder, left):
    """Takes all of the disk's space but `left` bytes."""
    with open(folder / "filler", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(folder).free - left)
