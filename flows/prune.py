"""What `prune` may remove: checkpoints, adapters, optimiser states, altered videos that no stage to do will ask for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from flows.config import RunConfig
from flows.stage_specs import policy_address, schedule
from storage import layout
from storage.inventory import Recorded, altered_files, attempts
from storage.run import Run
from storage.tombstones import Grave, read_tombstones, write_tombstone

MADE_FROM_VIDEOS = ("rollout_augmented", "train")


@dataclass(frozen=True)
class Item:
    """A folder or file to remove, with the graves of its files and the bytes that are there now."""

    kind: str
    round_index: int
    path: str
    graves: list[Grave]
    bytes: int


def plan(run: Run, config: RunConfig, keep_last: int) -> list[Item]:
    """What can go if the last `keep_last` trained rounds are kept; nothing that a missing stage needs."""
    trained = sorted(r for r in range(config.rounds) if run.ledger.current(layout.address(r, "train")))
    if not trained:
        return []
    first_kept = trained[-keep_last:][0]
    missing = [(name, r) for name, r in schedule(config) if run.ledger.current(layout.address(r, name)) is None]
    policies = {policy_address(r) for _, r in missing}
    current = [run.ledger.current(place) for place in policies if place != "initial_policy"]
    needed = {manifest.folder for manifest in current if manifest is not None}
    unmade = {r for name, r in missing if name in MADE_FROM_VIDEOS}
    found = list(attempts(run.files))
    when = datetime.now(UTC).isoformat(timespec="seconds")
    why = f"prune --keep-last {keep_last}: older than round {first_kept}"
    items = [
        item
        for attempt in found
        if attempt.stage == "train" and attempt.round_index < first_kept and attempt.folder not in needed
        for item in _outputs(run, attempt, why, when)
    ]
    return items + list(_videos(run, found, {*range(first_kept)} - unmade, why, when))


def _outputs(run: Run, attempt: Recorded, why: str, when: str) -> Iterator[Item]:
    folders: dict[str, list[Grave]] = {}
    sizes = run.files.walk(attempt.folder)
    for named in attempt.outputs:
        folder = "/".join(named.path.split("/")[:6])  # rounds/<round>/train/<key>/<attempt>/<output>
        grave = Grave(named.path, named.sha256, sizes.get(named.path, 0), [attempt.folder], why, when)
        folders.setdefault(folder, []).append(grave)
    for folder, graves in folders.items():
        if run.files.exists(folder):
            size = sum(size for path, size in sizes.items() if path.startswith(f"{folder}/"))
            yield Item(folder.split("/")[-1].rsplit("-", 1)[0], attempt.round_index, folder, graves, size)


def _videos(run: Run, found: list[Recorded], old: set[int], why: str, when: str) -> Iterator[Item]:
    sizes = run.files.walk(layout.VIDEOS)
    users: dict[str, list[Recorded]] = {}
    digests: dict[str, str] = {}
    for attempt in found:
        for path, sha256 in altered_files(run.files, attempt).items():
            users.setdefault(path, []).append(attempt)
            digests[path] = sha256
    for path, named_by in sorted(users.items()):
        if path in sizes and {attempt.round_index for attempt in named_by} <= old:
            folders = [attempt.folder for attempt in named_by]
            grave = Grave(path, digests[path], sizes[path], folders, why, when)
            yield Item("altered video", named_by[-1].round_index, path, [grave], sizes[path])


def carry_out(run: Run, items: list[Item]) -> str | None:
    """Writes the tombstone of what has none yet, then removes; returns the tombstone's path if one was needed."""
    buried = read_tombstones(run.files)
    new = [
        grave
        for item in items
        for grave in item.graves
        if grave.path not in buried or not {*grave.attempts} <= {*buried[grave.path].attempts}
    ]
    tombstone = write_tombstone(run.files, new) if new else None
    for item in items:
        run.files.remove(item.path)
    return tombstone
