"""Every path of a run, relative to its directory.

run.json                                  what the run is: data, initial policy, seed (create-only)
settings/00000.json                       the resolved settings, one file a change; the highest counts
lock                                      held by the one process that writes
empty/<table>.parquet                     no rows: the columns of a table that has no shard yet
samples/<data>.parquet                    every sample, with the digests of its files
samples/<data>-rejected.parquet           the annotation rows that became none, if there are any
videos/<sha256>.avi, .png                 altered videos and images, named by their content
frames/                                   decoded frames, a cache (storage/frame_cache.py); may be emptied at any time
views.sql                                 the tables a user queries, for any DuckDB shell (derived, replaceable)
report.html                               the report (derived, replaceable)
progress.json                             what the process at work does now, for `watch` (derived, replaceable)
rounds/<round>/<stage>/<key>/<attempt>/   one attempt: shards, their sidecars, the manifest
tombstones/00000.json                     what one `prune` removed, and why (create-only, written first)
logs/                                     what the libraries said
"""

from __future__ import annotations

IDENTITY = "run.json"
SETTINGS = "settings"
LOCK = "lock"
VIEWS = "views.sql"
REPORT = "report.html"
PROGRESS = "progress.json"
VIDEOS = "videos"
FRAMES = "frames"
DATA = "data"
LOGS = "logs"
TOMBSTONES = "tombstones"
ROUNDS = "rounds"
MANIFEST = "manifest.json"
FAILURE = "failure"


def round_name(round_index: int) -> str:
    """A round as a folder name: five digits."""
    return f"{round_index:05d}"


def address(round_index: int, stage: str) -> str:
    """Names one stage of one round: `00002/rollout`. Manifests name their inputs so."""
    return f"{round_name(round_index)}/{stage}"


def stage_folder(stage_address: str) -> str:
    """The folder that holds every key of one stage of one round."""
    return f"{ROUNDS}/{stage_address}"


def attempt_folder(stage_address: str, key: str, number: int) -> str:
    """The folder of one attempt."""
    return f"{stage_folder(stage_address)}/{key}/{number}"


def sidecar_name(index: int) -> str:
    """The create-only record that commits shard `index` of an attempt."""
    return f"shard-{index:05d}.json"


def empty_table(table: str) -> str:
    """The file that holds the columns of `table` and no row."""
    return f"empty/{table}.parquet"


def samples_table(data_digest: str) -> str:
    """The file that holds every sample of the run."""
    return f"samples/{data_digest[:16]}.parquet"


def rejected_table(data_digest: str) -> str:
    """The file that holds the annotation rows that became no sample; there if there are any."""
    return f"samples/{data_digest[:16]}-rejected.parquet"


def video_file(sha256: str) -> str:
    """The path of an altered video."""
    return f"{VIDEOS}/{sha256}.avi"


def image_file(sha256: str) -> str:
    """The path of an altered image."""
    return f"{VIDEOS}/{sha256}.png"
