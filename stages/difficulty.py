"""Stage `difficulty`: Eq. 9 of each sample of a round, its label, and the level an augmentation takes from it."""

from __future__ import annotations

from stages.config import DifficultyConfig
from storage.records import Difficulty, Label

STAGE_VERSION = 2


def level(delta: float, config: DifficultyConfig) -> float:
    """clip(|delta_R| / scale, 0, 1) * max_level, METHOD.md section 5; `delta` of rewards divided by their maximum.

    With a fixed scaling `fixed_level` for every delta but zero, which has no direction (arXiv:2506.07464, Table 8).
    """
    if config.scaling == "fixed":
        return config.fixed_level if delta else 0.0
    return min(abs(delta) / config.scale, 1.0) * config.max_level


def label(delta: float, config: DifficultyConfig) -> Label:
    """Hard above zero, easy below (arXiv:2506.07464, Eq. 9); kept at level zero, or below `min_level` if adaptive."""
    found = level(delta, config)
    if found == 0.0 or (config.scaling == "adaptive" and found < config.min_level):
        return "kept"
    return "hard" if delta > 0 else "easy"


def difficulty_record(
    row: dict[str, object], *, run_id: str, round_index: int, group_index: int, config: DifficultyConfig
) -> Difficulty:
    """The record of one row of `storage.difficulty.difficulty`."""
    delta = float(row["difficulty"])  # type: ignore[arg-type]
    window_reward = row["window_reward"]
    return Difficulty(
        run_id=run_id,
        round_index=round_index,
        group_index=group_index,
        sample_id=str(row["sample_id"]),
        mean_reward=float(row["mean_reward"]),  # type: ignore[arg-type]
        window_reward=None if window_reward is None else float(window_reward),  # type: ignore[arg-type]
        window_groups=int(row["window_groups"]),  # type: ignore[call-overload]
        difficulty=delta,
        label=label(delta, config),
        level=level(delta, config),
    )
