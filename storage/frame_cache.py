"""Decoded frames on disk, so that the stages that show the same video decode it once.

An entry is what `read_video` returned, bit for bit, behind its own digest. Its name is the digest of all that decides
these bytes: the file's content, the part and the frames that are asked for, their largest size, and the libraries at
work. Frames that were chosen by a setting are found by their positions too, as the trainer asks for them: one file, two
names.

Any number of threads and processes use one folder: an entry gets its name when it is whole, and one that is not what
was written is removed. It may be emptied at any time.
"""

from __future__ import annotations

import errno
import io
import os
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import av
import cv2
import numpy as np

from storage import layout
from storage.digest import sha256_bytes, sha256_value
from storage.files import Files
from storage.part import Part
from storage.sampling import Choice, Exactly
from storage.video import Video

READER_VERSION = 1
"""Of everything here between a file's bytes and its frames: a change of these makes a new one."""

_LIBRARIES = [READER_VERSION, av.__version__, av.library_versions, cv2.__version__]
_DIGEST_LENGTH = 64
_FULL = (7, 8)
"""Entries are removed, the least recently used first, until they take this share of the limit..."""
_UNSEEN = 64
"""...and looked through after each 1 / 64 of the limit that a process wrote: eight of them stay below it."""


@dataclass(slots=True)
class FrameCache:
    """The frames in `folder`, at most `max_bytes` of them."""

    folder: Path
    max_bytes: int
    _unseen: int | None = field(default=None, repr=False)

    def get(self, sha256: str, choose: Choice, max_pixels: int | None, part: Part | None = None) -> Video | None:
        """What `read_video` gives for the file with this content; None if that is not here whole."""
        path = self.folder / _name(sha256, choose, max_pixels, part)
        try:
            data = path.read_bytes()
            if sha256_bytes(data[_DIGEST_LENGTH:]).encode() != data[:_DIGEST_LENGTH]:
                path.unlink()
                return None
            os.utime(path)
        except FileNotFoundError:  # never here, or removed by another process
            return None
        return _unpacked(data[_DIGEST_LENGTH:])

    def put(self, sha256: str, choose: Choice, max_pixels: int | None, video: Video, part: Part | None = None) -> None:
        """Keeps `video`, unless it is larger than the cache or the disk is full."""
        body = _packed(video)
        data = sha256_bytes(body).encode() + body
        if len(data) > self.max_bytes * _FULL[0] // _FULL[1]:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self._make_room(len(data))
        temporary = self.folder / f".{uuid.uuid4().hex}.tmp"
        try:
            temporary.write_bytes(data)
            for asked in (choose, Exactly(tuple(video.indices.tolist()))):
                with suppress(FileExistsError):
                    os.link(temporary, self.folder / _name(sha256, asked, max_pixels, part))
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.ENOENT):  # or the folder was removed meanwhile
                raise
        finally:
            temporary.unlink(missing_ok=True)

    def _make_room(self, num_bytes: int) -> None:
        """Removes the entries that were used longest ago, if `num_bytes` more may be too many."""
        if self._unseen is not None and self._unseen + num_bytes <= self.max_bytes // _UNSEEN:
            self._unseen += num_bytes
            return
        self._unseen = num_bytes
        entries = dict[int, tuple[int, int, list[Path]]]()  # of one file, by its inode: when used, bytes, names
        for path in self.folder.iterdir():
            with suppress(FileNotFoundError):
                found = path.stat()
                entries.setdefault(found.st_ino, (found.st_mtime_ns, found.st_size, []))[2].append(path)
        total = num_bytes + sum(size for _, size, _ in entries.values())
        for _, size, paths in sorted(entries.values()):
            if total <= self.max_bytes * _FULL[0] // _FULL[1]:
                return
            for path in paths:
                path.unlink(missing_ok=True)
            total -= size


def open_cache(files: Files, gib: float) -> FrameCache | None:
    """The cache of the run at `files`, of at most `gib` GiB; None if that is nothing."""
    return FrameCache(files.working_folder(layout.FRAMES), int(gib * 2**30)) if gib else None


def _name(sha256: str, choose: Choice, max_pixels: int | None, part: Part | None) -> str:
    return sha256_value([_LIBRARIES, sha256, repr(choose), max_pixels, part])


def _packed(video: Video) -> bytes:
    buffer = io.BytesIO()
    for array in (video.frames, video.times, video.indices, np.array(video.num_file_frames), np.array(video.fps)):
        np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _unpacked(body: bytes) -> Video:
    buffer = io.BytesIO(body)
    frames, times, indices, num_file_frames, fps = (np.load(buffer, allow_pickle=False) for _ in range(5))
    return Video(frames, times, indices, int(num_file_frames), float(fps))
