"""LoRA (arXiv:2106.09685) on the language model, through peft: W x + (alpha / rank) B A x, only A and B trained.

The adapter lives inside the layers of the model it was added to, so every forward pass stays the same call. Switched
off, that model is the reference, bit for bit: no second one is loaded. A round goes on from the adapter, not from its
merged copy: base + adapter rounds otherwise than merged weights, and rho must have the same numerics on both sides.
"""

from __future__ import annotations

import re
from pathlib import Path

import peft
import torch
from safetensors.torch import save_file
from torch import nn
from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedModel

from storage.errors import UserError
from trainer.config import LoraConfig

ALL_LINEAR = "all-linear"
_LANGUAGE = "model.language_model"
_OWN = ("r", "lora_alpha", "target_modules")


def check_lora(config: LoraConfig, checkpoint: Path) -> None:
    """UserError if `config` names a layer that the language model of `checkpoint` has not; loads no weights."""
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(AutoConfig.from_pretrained(checkpoint))
    _targets(config, model)


def new_adapter(model: PreTrainedModel, config: LoraConfig, seed: int) -> peft.PeftModel:
    """Adds an adapter that changes nothing yet (B = 0, A drawn from `seed`) to `model`, and freezes all else."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        adapter = peft.get_peft_model(model, _peft_config(config, model))
    assert isinstance(adapter, peft.PeftModel)
    return adapter


def load_adapter(model: PreTrainedModel, config: LoraConfig, folder: Path) -> peft.PeftModel:
    """Adds the adapter in `folder` to `model` to be trained on, and freezes all else.

    Raises UserError if it was trained with other settings: its matrices, or what they mean, are then others.
    """
    saved, wanted = peft.PeftConfig.from_pretrained(str(folder)), _peft_config(config, model)
    changed = [name for name in _OWN if getattr(saved, name) != getattr(wanted, name)]
    if changed:
        told = ", ".join(f"{name} was {getattr(saved, name)}, now {getattr(wanted, name)}" for name in changed)
        raise UserError(
            f"train.lora: the adapter in {folder} goes on as it began ({told}); restore the settings, or start a run "
            "whose model.path is the merged checkpoint"
        )
    return peft.PeftModel.from_pretrained(model, folder, is_trainable=True)


def save_adapter(adapter: peft.PeftModel, folder: Path) -> None:
    """Writes the adapter in peft's own format; `PeftModel.from_pretrained` opens it on the reference.

    Not by `save_pretrained`, which adds the reference's path on this machine and a model card: equal adapters of two
    machines have equal bytes.
    """
    weights = peft.get_peft_model_state_dict(adapter, save_embedding_layers=False)
    save_file(weights, folder / peft.utils.SAFETENSORS_WEIGHTS_NAME, metadata={"format": "pt"})
    config = adapter.peft_config[adapter.active_adapter]
    config.base_model_name_or_path = None
    config.save_pretrained(str(folder))


def _peft_config(config: LoraConfig, model: nn.Module) -> peft.LoraConfig:
    return peft.LoraConfig(r=config.rank, lora_alpha=config.alpha, target_modules=_targets(config, model))


def _targets(config: LoraConfig, model: nn.Module) -> str:
    """A pattern of the full names of the layers that get an adapter: peft keeps a list as a set, in any order."""
    language = model.get_submodule(_LANGUAGE)
    linear = {name.rsplit(".", 1)[-1] for name, module in language.named_modules() if isinstance(module, nn.Linear)}
    chosen = linear if config.target_modules == ALL_LINEAR else set(config.target_modules)
    if chosen - linear:
        raise UserError(
            f"train.lora.target_modules: the language model has no linear layer {', '.join(sorted(chosen - linear))}; "
            f'it has {", ".join(sorted(linear))}, or "{ALL_LINEAR}" for all of them'
        )
    return rf"{re.escape(_LANGUAGE)}\..*\.({'|'.join(sorted(map(re.escape, chosen)))})"
