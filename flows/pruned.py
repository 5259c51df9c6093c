"""What a stage is told that asks for something `prune` removed: what, when, why, and how to have it again."""

from __future__ import annotations

from collections.abc import Mapping

from flows.stage_specs import policy_address
from storage.run import Run
from storage.tombstones import Grave


def policy_is_pruned(run: Run, graves: Mapping[str, Grave], round_index: int) -> str:
    """Why the policy that enters a round (with its optimiser state) is gone; empty if it is not."""
    grave = _grave(run, graves, round_index)
    if grave is None:
        return ""
    first = round_index
    while _grave(run, graves, first - 1) is not None:
        first -= 1
    again = f"deepvideo stage train --round {first - 1} --force"
    if first < round_index:
        again += f", and so each round to {round_index - 1}"
    return (
        f"the policy that enters round {round_index} was pruned on {grave.when} ({grave.why}); make it again: {again}"
    )


def video_is_pruned(grave: Grave) -> str:
    """Why an altered video is gone, and how to have it again."""
    round_index = int(grave.attempts[-1].split("/")[1])
    again = f"deepvideo stage augment --round {round_index} --force"
    return f"{grave.path} was pruned on {grave.when} ({grave.why}); make it again: {again}"


def _grave(run: Run, graves: Mapping[str, Grave], round_index: int) -> Grave | None:
    manifest = run.ledger.current(policy_address(round_index)) if round_index else None
    if manifest is None:
        return None
    return next((grave for path, grave in graves.items() if path.startswith(f"{manifest.folder}/")), None)
