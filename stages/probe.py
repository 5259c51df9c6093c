"""The probe of a checkpoint: proof that an engine holds the weights it was told to load (DESIGN.md, Parity).

The trainer leaves `probe.parquet` in each checkpoint: token sequences, and its own log-probs of them under the new
policy and under the one before. After loading, the engine scores the same tokens.
"""

from __future__ import annotations

import numpy as np

from stages.engine import Engine, EngineError, Policy
from storage.probe import read_probe

TOLERANCE = {"float32": 1e-3, "bfloat16": 0.05}
TELLS_APART = {"float32": 1e-5, "bfloat16": 0.05}  # policies nearer than this are one to an engine of that precision


def check_probe(engine: Engine, policy: Policy, dtype: str) -> float:
    """Mean |engine - trainer| log-prob over the probe's tokens, in nats.

    Raises EngineError if it exceeds the precision's tolerance, or if the engine is nearer to the policy before.
    """
    probe = read_probe(policy.probe)
    engine_logps = np.concatenate(engine.score(probe.token_ids))
    new, old = np.concatenate(probe.logprobs), np.concatenate(probe.previous_logprobs)
    difference = float(np.abs(engine_logps - new).mean())
    if not difference <= TOLERANCE[dtype]:
        raise EngineError(
            f"policy {policy.version} ({policy.path}): the engine's log-probs differ from the trainer's by "
            f"{difference:.2g} on the probe, more than the {TOLERANCE[dtype]} allowed in {dtype}: other weights"
        )
    before = float(np.abs(engine_logps - old).mean())
    if difference >= before and float(np.abs(new - old).mean()) > TELLS_APART[dtype]:
        raise EngineError(
            f"policy {policy.version} ({policy.path}): the engine is nearer to the policy before it ({before:.2g}) "
            f"than to this one ({difference:.2g}): it kept the old weights"
        )
    return difference
