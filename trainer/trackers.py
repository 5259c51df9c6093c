"""Live curves of a run: each optimiser step's row of `train_steps`, through Accelerate's trackers.

The x axis is the optimiser step counted over the whole run, and the round is one of the values. A round may be trained
more than once: after a kill, when it is stale, with `--force`. TensorBoard then drops what the run had drawn from that
round's first step on, later rounds included, and draws on from there: one curve without a double point. wandb and
trackio cannot take a point back: there every try of a round is a run of its own in the group of the run.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from storage.errors import UserError
from storage.records import TrainStep
from trainer.config import TrainConfig

if TYPE_CHECKING:
    from accelerate import Accelerator

    from trainer.training import TrainInputs

PROJECT = "deepvideo-r1"


def check_trackers(config: TrainConfig, *, has_folder: bool) -> None:
    """Raises UserError for a tracker that is not installed, or that needs a folder where the run is none."""
    missing = [name for name in config.trackers if not _is_installed(name)]
    if missing:
        names = " ".join(missing)
        raise UserError(f"train.trackers: {names} is not installed; pip install {names}, or leave it out")
    if "tensorboard" in config.trackers and not has_folder:
        raise UserError(
            "train.trackers: tensorboard writes to a folder, and this run is an object store; "
            "leave it out, or choose a local --run-dir"
        )


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)  # a folder called wandb, as wandb leaves behind, can be imported too
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


@contextmanager
def tracking(accelerator: Accelerator, inputs: TrainInputs, done: int) -> Iterator[Callable[[TrainStep], None]]:
    """Opens the trackers for one try at a round, from step `done` on; yields what logs a step."""
    name = {"name": f"{inputs.run_id} round {inputs.round_index}", "group": inputs.run_id}
    accelerator.init_trackers(
        PROJECT,
        init_kwargs={
            "tensorboard": {"purge_step": inputs.first_step + done},
            "wandb": {**name, "dir": str(inputs.logs)},
            "trackio": name,
        },
    )
    try:
        yield lambda step: accelerator.log(_values(step), step=inputs.first_step + step.step)
    finally:
        for tracker in accelerator.trackers:  # not end_training, which would end the process group of later rounds too
            tracker.finish()


def _values(step: TrainStep) -> dict[str, float]:
    """The row's numbers by column; a column that is null in this row is left out."""
    row = dataclasses.asdict(step)
    return {f"train_steps/{name}": value for name, value in row.items() if isinstance(value, int | float)}
