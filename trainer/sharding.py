"""FSDP2: each rank keeps a part of every weight of the language model, and of its gradient and optimiser state.

Accelerate shards on GPUs only; this is PyTorch's own `fully_shard`, the same on a CPU. The vision encoder stays whole
on every rank: it is frozen, and each rank encodes its own videos when it comes to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor


def shard(scorer: nn.Module, policy: Any, device: torch.device) -> None:
    """Shards `policy` inside `scorer` over all ranks, moving one layer after the other to `device`.

    Only `scorer` may be called from then on.
    """
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    for layer in policy.model.language_model.layers:
        fully_shard(layer, mesh=mesh)
    encoder = policy.model.visual.to(device)
    fully_shard(scorer, mesh=mesh, reshard_after_forward=True, ignored_params=set(encoder.parameters()))


def whole(value: Any) -> Any:
    """A sharded tensor whole and on the CPU, which takes all ranks; anything else as it is."""
    return value.full_tensor().cpu() if isinstance(value, DTensor) else value


def part(value: Any, like: Tensor) -> Any:
    """This rank's part of a whole tensor if `like`, of the same shape, is sharded; anything else as it is."""
    if not isinstance(like, DTensor) or not isinstance(value, Tensor) or value.shape != like.shape:
        return value
    # Every rank has read the same file, so none has to send.
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def whole_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """An optimiser's state dict with its tensors whole."""
    return {**state, "state": {i: {k: whole(v) for k, v in own.items()} for i, own in state["state"].items()}}


def part_state(state: Mapping[str, Any], parameters: Sequence[Tensor]) -> dict[str, Any]:
    """This rank's part of an optimiser's whole state dict; `parameters` are the optimiser's, in order."""
    parts = {i: {k: part(v, parameters[i]) for k, v in own.items()} for i, own in state["state"].items()}
    return {**state, "state": parts}
