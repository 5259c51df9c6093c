"""One of the processes of a train stage, from its first line to its last; trainer/launch.py starts it."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from storage.errors import DamagedRun, UserError
from storage.shards import Attempt
from trainer.config import TrainConfig
from trainer.train import train
from trainer.training import TrainInputs

PATIENCE = timedelta(days=1)
"""How long a rank waits for others: that one died is seen by their parent, and work takes as long as it takes."""


class RankFailed(Exception):
    """A process of the train stage failed or was killed; the others have been ended."""


@dataclass(frozen=True)
class Job:
    """What every rank is given. store: the file through which they find each other. parent: the process to end with."""

    attempt: Attempt
    inputs: TrainInputs
    config: TrainConfig
    store: Path
    parent: int


@dataclass(frozen=True)
class Done:
    """What the first rank leaves: the number of shards, and what it added to the attempt."""

    num_shards: int
    outputs: dict[str, str]
    info: dict[str, Any]


def work(rank: int, job: Job, senders: Sequence[Connection]) -> None:
    """Trains as rank `rank`. Sends what it has to say: progress and Done as the first rank, its error as any."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # comes when the parent is gone; Python's own would await the others
    if os.getppid() != job.parent:
        return
    for other in [*senders[:rank], *senders[rank + 1 :]]:
        other.close()  # or nobody would see the end of a rank that is killed in the middle of a word
    sender, num_ranks = senders[rank], job.config.num_processes

    def progress(what: str, done: int, total: int, **figures: float) -> None:
        if rank == 0:
            sender.send((what, done, total, figures))

    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    try:
        torch.distributed.init_process_group(
            "nccl" if torch.cuda.is_available() else "gloo",
            init_method=f"file://{job.store}",
            rank=rank,
            world_size=num_ranks,
            timeout=PATIENCE,
        )
        num_shards = train(job.attempt, job.inputs, job.config, progress)
        if rank == 0:
            sender.send(Done(num_shards, job.attempt.outputs, job.attempt.info))
        torch.distributed.destroy_process_group()
    except (UserError, DamagedRun, OSError) as error:  # the command has a line of its own for each
        sender.send(error)
        raise
    except Exception as error:
        sender.send(RankFailed(f"train: rank {rank} of {num_ranks}: {type(error).__name__}: {error}"))
        raise
