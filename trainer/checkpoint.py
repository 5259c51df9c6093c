"""A policy on disk: an ordinary checkpoint folder that `from_pretrained` and vLLM open, with a probe beside it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from storage.probe import PROBE_FILE

_WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "*.bin", "*.bin.index.json", PROBE_FILE)


def save_checkpoint(model: Any, source: Path, target: Path) -> None:
    """Saves the weights of `model` to `target`, and beside them every other file of the checkpoint it came from.

    Tokenizer, processor and configuration are copied byte for byte: saving a loaded one may change it.
    """
    model.save_pretrained(target)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*_WEIGHTS), dirs_exist_ok=True)
