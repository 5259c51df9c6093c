"""Makes the probe of a checkpoint: the trainer's log-probs of a few fixed texts (storage/probe.py holds the file)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from storage.probe import PROBE_FILE, Probe, write_probe
from trainer.logprobs import text_logprobs
from trainer.policy import load_policy, load_processor

TEXTS = (
    "<think>The red circle moves to the left. So the answer is left.</think><answer>left</answer>",
    "<think>There are three shapes, one of them small.</think><answer>3</answer>",
    "What is shown first in this video? Look at each frame, then answer.",
    "A. a blue square\nB. a green triangle\nC. a yellow star\nD. nothing at all",
)


def measure(model: Any, processor: Any) -> list[np.ndarray]:
    """The model's log-probs of the probe's texts, float32 [T - 1] each."""
    device = next(model.parameters()).device
    with torch.no_grad():
        return [text_logprobs(model, torch.as_tensor(ids, device=device)).cpu().numpy() for ids in _tokens(processor)]


def save_probe(path: Path, processor: Any, logprobs: list[np.ndarray], previous: list[np.ndarray]) -> None:
    """Writes the probe of a policy with `logprobs`, trained from one with `previous`."""
    write_probe(path, Probe([np.array(ids, dtype=np.int32) for ids in _tokens(processor)], logprobs, previous))


def probe_checkpoint(checkpoint: Path, target: Path | None = None) -> None:
    """Writes the probe of a checkpoint that was not trained here, into its folder or to `target`."""
    processor = load_processor(checkpoint)
    logprobs = measure(load_policy(checkpoint, trainable=False), processor)
    save_probe(target or checkpoint / PROBE_FILE, processor, logprobs, logprobs)


def _tokens(processor: Any) -> list[list[int]]:
    return [processor.tokenizer.encode(text, add_special_tokens=False) for text in TEXTS]
