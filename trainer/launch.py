"""The train stage of one round: in this process, or as several that it starts, hears and ends.

Each of several is a rank: a fresh interpreter with its own Accelerator in one process group, gloo on CPUs and NCCL on
GPUs. PyTorch starts and ends them, as Accelerate's own launchers have it do. Those launchers do not serve here:
`accelerate launch` starts several CPU processes through MPI alone, and the one for notebooks forks a process that holds
an engine's threads.

A rank that dies ends all others at once. So does the end of this process, however it comes: the kernel tells them.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import patch_environment
from torch.multiprocessing.spawn import ProcessContext, ProcessExitedException, ProcessRaisedException, start_processes

from storage.errors import UserError
from storage.progress import Progress
from storage.shards import Attempt
from trainer.config import TrainConfig
from trainer.rank import Done, Job, RankFailed, work
from trainer.train import train
from trainer.training import TrainInputs

SECONDS_BETWEEN_LOOKS = 0.2


def check_processes(config: TrainConfig) -> None:
    """UserError if this machine has GPUs, but fewer than `train.num_processes`."""
    num_devices = torch.cuda.device_count()
    if config.num_processes > 1 and 0 < num_devices < config.num_processes:
        raise UserError(
            f"train.num_processes is {config.num_processes}, this machine has {num_devices} GPU(s): each process needs "
            f"one of its own; give at most {num_devices}"
        )


def train_round(attempt: Attempt, inputs: TrainInputs, config: TrainConfig, progress: Progress) -> int:
    """Trains one round with as many processes as `config` asks for; see trainer.train.train.

    Raises what a rank raised, or RankFailed with its number and signal.
    """
    if config.num_processes == 1:
        return train(attempt, inputs, config, progress)
    check_processes(config)
    paths = {path for group in inputs.groups for path in group[0].media.paths}
    local = {path: inputs.locate(path) for path in paths}
    with tempfile.TemporaryDirectory() as folder:
        job = Job(
            attempt=attempt,
            inputs=replace(inputs, locate=local.__getitem__),
            config=config,
            store=Path(folder) / "store",
            parent=os.getpid(),
        )
        done = _run(job, progress)
    attempt.outputs |= done.outputs
    attempt.info |= {**done.info, "num_processes": config.num_processes, "strategy": config.strategy}
    return done.num_shards


def _run(job: Job, progress: Progress) -> Done:
    num_ranks = job.config.num_processes
    receivers, senders = zip(*(get_context("spawn").Pipe(duplex=False) for _ in range(num_ranks)), strict=True)
    with patch_environment(**_environment(num_ranks)):
        ranks: Any = start_processes(work, (job, senders), num_ranks, join=False, start_method="spawn")
    for sender in senders:
        sender.close()
    heard: list[Done | Exception] = []
    try:
        while not ranks.join(SECONDS_BETWEEN_LOOKS):
            heard += _hear(receivers, progress)
    except (ProcessExitedException, ProcessRaisedException) as error:
        heard += _hear(receivers, progress)
        raise _cause(ranks, heard) from error
    finally:
        for process in ranks.processes:
            process.kill()
            process.join()
    heard += _hear(receivers, progress)
    return next(message for message in heard if isinstance(message, Done))


def _environment(num_ranks: int) -> dict[str, Any]:
    """What Accelerate reads in every rank; a CPU's cores are shared out, a GPU's processes have their own device."""
    found = {"world_size": num_ranks, "local_world_size": num_ranks}
    if torch.cuda.is_available():
        return found
    num_threads = os.environ.get("OMP_NUM_THREADS", max(1, len(os.sched_getaffinity(0)) // num_ranks))
    return {**found, "accelerate_use_cpu": "true", "gloo_socket_ifname": "lo", "omp_num_threads": num_threads}


def _hear(receivers: Sequence[Connection], progress: Progress) -> list[Done | Exception]:
    """Passes on what the ranks have said so far of their progress; returns the rest."""
    found: list[Done | Exception] = []
    open_ends = [receiver for receiver in receivers if not receiver.closed]
    while ready := wait(open_ends, timeout=0):
        for receiver in ready:
            assert isinstance(receiver, Connection)
            try:
                message = receiver.recv()
            except EOFError:
                open_ends.remove(receiver)
                receiver.close()
                continue
            if isinstance(message, tuple):
                what, done, total, figures = message
                progress(what, done, total, **figures)
            else:
                found.append(message)
    return found


def _cause(ranks: ProcessContext, heard: Sequence[Done | Exception]) -> Exception:
    """Why the ranks ended: one was killed, or else what the first of them to fail said."""
    codes = {rank: process.exitcode for rank, process in enumerate(ranks.processes)}
    killed = [rank for rank, code in codes.items() if code < 0 and code != -signal.SIGTERM]  # which ends the others
    said = [message for message in heard if isinstance(message, Exception)]
    if said and not killed:
        return said[0]
    rank = next(iter(killed), min(codes, key=lambda rank: codes[rank] <= 0))
    how = (
        f"was killed by {signal.Signals(-codes[rank]).name}"
        if codes[rank] < 0
        else f"ended with exit code {codes[rank]}"
    )
    why = " (the kernel sends it when memory runs out)" if codes[rank] == -signal.SIGKILL else ""
    return RankFailed(
        f"train: rank {rank} of {len(codes)} {how}{why}, the others were ended; "
        "repeat the same command: it goes on at the last saved step"
    )
