"""A policy on disk: an ordinary checkpoint folder that `from_pretrained` and vLLM open, with a probe beside it.

Loads without torch, so that a wrong `model.path` is said before anything else is done.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from storage.errors import UserError
from storage.probe import PROBE_FILE

_WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "*.bin", "*.bin.index.json", PROBE_FILE)


def save_checkpoint(model: Any, source: Path, target: Path) -> None:
    """Saves the weights of `model` to `target`, and beside them every other file of the checkpoint it came from.

    Tokenizer, processor and configuration are copied byte for byte: saving a loaded one may change it.
    """
    model.save_pretrained(target)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*_WEIGHTS), dirs_exist_ok=True)


def check_checkpoint(folder: Path) -> None:
    """UserError, naming the file, if `folder` cannot be a video language model whose weights are whole.

    Reads the configuration and the headers of the weights, which say how long each file must be.
    """
    config = _read_config(folder / "config.json")
    if "vision_config" not in config:
        raise UserError(
            f"{folder}: its config.json describes {config.get('model_type', 'no model')} without a vision part; "
            "give the checkpoint of a video language model"
        )
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("*.bin")):
        raise UserError(f"{folder}: holds no weights (*.safetensors); copy the whole checkpoint, or give another")
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="numpy"):
                continue
        except (SafetensorError, OSError) as error:
            raise UserError(f"{file}: its weights cannot be read ({error}); copy the checkpoint anew") from error


def _read_config(file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise UserError(
            f"{file.parent}: no checkpoint is there (config.json is missing); give a local folder or builtin:tiny"
        ) from error
    except (ValueError, OSError) as error:
        raise UserError(f"{file}: cannot be read as JSON ({error}); copy the checkpoint anew") from error
    if not isinstance(config, dict):
        raise UserError(f"{file}: holds no object; copy the checkpoint anew")
    return config
