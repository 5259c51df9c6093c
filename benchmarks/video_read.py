"""Sixteen frames of a video: `storage.video.read_video` beside PyAV and OpenCV used directly, alternating.

python benchmarks/video_read.py [--quick] [--json FILE]

Generated H.264 files of 252 x 252 pixels at 25 frames a second, with B-frames and a key frame every ten seconds.
pyav decodes all and keeps sixteen; opencv_grab decodes all and converts sixteen; opencv_seek sets CAP_PROP_POS_FRAMES
sixteen times. Seconds are medians; peak memory is what a process of its own takes more than before it read; the
difference is the mean of |frame - PyAV's frame| in 0..255: 0 is the same bytes, a little another conversion to RGB.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from storage.encode import write_video
from storage.sampling import uniform_indices
from storage.video import read_video

NUM_FRAMES, SIDE, FPS = 16, 252, 25


def ours(path: Path) -> np.ndarray:
    """Our reader."""
    return read_video(path, NUM_FRAMES).frames


def pyav(path: Path) -> np.ndarray:
    """PyAV, every frame decoded."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        wanted = set(uniform_indices(stream.frames, NUM_FRAMES).tolist())
        frames = [f.to_ndarray(format="rgb24") for i, f in enumerate(container.decode(stream)) if i in wanted]
    return np.stack(frames)


def opencv_grab(path: Path) -> np.ndarray:
    """OpenCV, every frame decoded."""
    capture = cv2.VideoCapture(str(path))
    wanted = set(uniform_indices(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), NUM_FRAMES).tolist())
    frames, i = [], 0
    while capture.grab():
        if i in wanted:
            frames.append(cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB))
        i += 1
    return np.stack(frames)


def opencv_seek(path: Path) -> np.ndarray:
    """OpenCV, told where to go sixteen times."""
    capture = cv2.VideoCapture(str(path))
    frames = []
    for i in uniform_indices(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), NUM_FRAMES):
        capture.set(cv2.CAP_PROP_POS_FRAMES, int(i))
        frames.append(cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB))
    return np.stack(frames)


READERS: dict[str, Callable[[Path], np.ndarray]] = {r.__name__: r for r in (ours, pyav, opencv_grab, opencv_seek)}


def repeated(source: Path, target: Path, count: int, slower: int = 1) -> Path:
    """A copy of the packets of `source`, `count` times over and `slower`: hours of video that nobody has to encode."""
    with av.open(str(target), "w") as new:
        stream: Any = None
        for turn in range(count):
            with av.open(str(source)) as old:
                template = old.streams.video[0]
                stream = stream or new.add_stream_from_template(template)
                shift = turn * round(template.frames / template.average_rate / template.time_base)
                for packet in old.demux(template):
                    if packet.dts is not None:
                        packet.pts, packet.dts = slower * (packet.pts + shift), slower * (packet.dts + shift)
                        packet.duration, packet.stream = slower * packet.duration, stream
                        new.mux(packet)
    return target


def moving_picture(num_frames: int) -> np.ndarray:
    """uint8 [num_frames, SIDE, SIDE, 3]: a soft picture that moves, with a little grain."""
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.integers(0, 256, (2 * SIDE, 2 * SIDE, 3), dtype=np.uint8), (0, 0), 6)
    grain = rng.integers(0, 6, (SIDE, SIDE, 3), dtype=np.uint8)
    places = [(2 * i % SIDE, 3 * i % SIDE) for i in range(num_frames)]
    return np.stack([picture[y : y + SIDE, x : x + SIDE] // 2 + np.roll(grain, y, axis=0) for y, x in places])


def most_mib() -> float:
    """The most memory that this process has had, MiB; getrusage would say its parent's."""
    return int(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) / 1024


def peak_mib(reader: str, path: Path) -> float:
    """MiB that a process takes at most while it reads, more than before; to be called in a new one."""
    before = most_mib()
    READERS[reader](path)
    return most_mib() - before


def measure(name: str, path: Path, repeats: int) -> list[dict[str, Any]]:
    """A row for each reader, from `repeats` alternating calls."""
    seconds: dict[str, list[float]] = {reader: [] for reader in READERS}
    frames: dict[str, np.ndarray] = {}
    for _ in range(repeats):
        for reader, read in READERS.items():
            started = time.perf_counter()
            frames[reader] = read(path)
            seconds[reader].append(time.perf_counter() - started)
    rows = []
    for reader in READERS:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            peak = pool.submit(peak_mib, reader, path).result()
        ratios = [other / own for other, own in zip(seconds[reader], seconds["ours"], strict=True)]
        difference = np.abs(frames[reader].astype(int) - frames["pyav"]).mean()
        row = {"video": name, "reader": reader, "seconds": statistics.median(seconds[reader])}
        row |= {"times_ours": statistics.median(ratios), "peak_mib": peak, "difference": float(difference)}
        rows.append(row)
    return rows


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one repeat; without the thirty minutes")
    parser.add_argument("--json", type=Path, help="write {machine, rows} to this file")
    arguments = parser.parse_args()
    minutes, repeats = ([1], 1) if arguments.quick else ([1, 30], 3)
    rows = []
    print(f"{'video':<12}{'reader':<13}{'seconds':>9}{'x ours':>8}{'peak MiB':>10}{'difference':>12}")
    with tempfile.TemporaryDirectory() as folder:
        short = Path(folder) / "short.mp4"
        write_video(short, moving_picture(10 * FPS), FPS, "h264")
        videos = {"10 seconds": short}
        videos |= {f"{m} minutes": repeated(short, Path(folder) / f"{m}.mp4", 6 * m) for m in minutes}
        for read in READERS.values():
            read(short)  # what is loaded once, is loaded
        for name, path in videos.items():
            for row in measure(name, path, repeats):
                rows.append(row)
                figures = f"{row['seconds']:>9.3f}{row['times_ours']:>8.2f}{row['peak_mib']:>10.1f}"
                print(f"{name:<12}{row['reader']:<13}{figures}{row['difference']:>12.2f}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": platform.platform(), "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
