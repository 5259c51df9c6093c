"""Seconds and memory of one training step of a group: a copy of the prompt a response, one shared prompt, TRL's way.

python benchmarks/training_step.py [--prompt N ...] [--response N ...] [--group-size N ...] [--repeats N] [--quick]
                                   [--model small | 3b] [--json FILE]

A random Qwen2.5-VL of 6 layers, 512 wide; its LM head has as large a share of the weights as that of the 3B model; or,
with --model 3b, one of that model's own size, for a GPU. A step is log-probs, a weighted sum as loss, and the backward
pass, in float32 on a CPU and under bfloat16 autocast on a GPU. The three take turns on the same tokens; printed are
medians, and the median of the ratios within a turn. Peaks are bytes that a step allocates, gradients included.
gradient_difference is the largest |ours - naive| / |naive| of a parameter's gradient.

TRL is `GRPOTrainer._get_per_token_logps_and_entropies` with its fused LM head. It takes no videos, so it is given the
same token ids without the features; off a GPU its LM head also scores the prompt.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import naive_step
import numpy as np
import torch
from peak_memory import peak_bytes
from torch import Tensor
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from trainer.batch import Group, Vision, collate
from trainer.positions import Grid
from trainer.prefix import response_logprobs

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # TRL warns that vLLM is newer than what it was tested with
    from trl.trainer.grpo_trainer import GRPOTrainer
    from trl.trainer.utils import add_fused_lm_head

VIDEO = 9
MODELS = {
    "small": {
        "vocab_size": 4096,
        "hidden_size": 512,
        "intermediate_size": 1408,
        "num_hidden_layers": 6,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [8, 12, 12]},
    },
    "3b": {  # the text_config of Qwen2.5-VL-3B-Instruct
        "vocab_size": 151_936,
        "hidden_size": 2048,
        "intermediate_size": 11_008,
        "num_hidden_layers": 36,
        "num_attention_heads": 16,
        "num_key_value_heads": 2,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
        "tie_word_embeddings": True,
    },
}
PROMPTS, RESPONSES, GROUP_SIZES = (64, 648, 2592), (32, 128, 512), (4, 8, 16)
QUICK = [(64, 32, 4), (648, 128, 8)]
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def build(name: str) -> Any:
    """The model, its vision encoder frozen and too small to matter: the features are given."""
    text: dict[str, Any] = MODELS[name]
    config = Qwen2_5_VLConfig(
        text_config={"bos_token_id": 1, "eos_token_id": 2, **text},
        vision_config={"depth": 1, "hidden_size": 32, "num_heads": 2, "out_hidden_size": text["hidden_size"]},
        video_token_id=VIDEO,
        tie_word_embeddings=text.get("tie_word_embeddings", False),
    )
    torch.manual_seed(0)
    with DEVICE:
        model = Qwen2_5_VLForConditionalGeneration(config).eval()
    model.model.visual.requires_grad_(False)
    add_fused_lm_head(model, outputs=("log_probs", "entropy"))  # as GRPOTrainer does; a keyword of its forward
    return model


def build_group(text: Any, prompt: int, response: int, group_size: int) -> Group:
    """A group with a video of 4 x 4 tokens a frame pair in a prompt of `prompt` tokens, 16 to 31 of them text."""
    rng = np.random.default_rng(0)
    vocabulary, width = text.vocab_size, text.hidden_size
    frames = prompt // 16 - 1
    tokens = rng.integers(20, vocabulary, prompt)
    tokens[4 : 4 + 16 * frames] = VIDEO
    rows: Any = [
        SimpleNamespace(
            prompt_token_ids=tokens, response_token_ids=rng.integers(20, vocabulary, response), temperature=1.0
        )
        for _ in range(group_size)
    ]
    features = torch.from_numpy(rng.normal(size=(16 * frames, width)).astype(np.float32)).to(DEVICE)
    return Group(rows, {"video": Vision(features, Grid(torch.tensor([frames, 8, 8])))})


def trl_logprobs(model: Any, batch: naive_step.NaiveBatch) -> Tensor:
    """TRL's log-probs [N, T] of the same rows."""
    trainer = SimpleNamespace(accelerator=SimpleNamespace(autocast=contextlib.nullcontext, is_main_process=True))
    ids, mask = batch.inputs["input_ids"], batch.inputs["attention_mask"]
    compute = GRPOTrainer._get_per_token_logps_and_entropies
    logps: Tensor = compute(trainer, model, ids, mask, batch.responses.shape[1])[0]
    return logps


def steps(model: Any, group: Group) -> dict[str, Callable[[], None]]:
    """A step each way; each leaves its gradients in the model."""
    batch = collate([group], model.config, [VIDEO], DEVICE)
    rows = naive_step.collate([group], model.config, [VIDEO], DEVICE)
    weights = torch.linspace(-1.0, 1.0, batch.mask.numel(), device=DEVICE).view(batch.mask.shape)

    def step(logprobs: Callable[[], Tensor]) -> None:
        model.zero_grad()
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=DEVICE.type == "cuda"):
            loss = (logprobs() * weights).sum()
        loss.backward()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()

    return {
        "naive": lambda: step(lambda: naive_step.response_logprobs(model, rows)),
        "shared": lambda: step(lambda: response_logprobs(model, batch)),
        "trl": lambda: step(lambda: trl_logprobs(model, rows)),
    }


def seconds(work: Callable[[], None]) -> float:
    """Wall-clock seconds of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure(model: Any, prompt: int, response: int, group_size: int, repeats: int) -> dict[str, float | int]:
    """One row: peak and gradients of one step each, then medians over `repeats` turns."""
    ways = steps(model, build_group(model.config.text_config, prompt, response, group_size))
    peaks, gradients = {}, {}
    for name, work in ways.items():
        model.zero_grad()
        peaks[f"{name}_peak_bytes"] = peak_bytes(work)
        gradients[name] = {key: p.grad.clone().cpu() for key, p in model.named_parameters() if p.grad is not None}
    naive, shared = gradients["naive"], gradients["shared"]
    difference = max(float((shared[key] - g).norm() / g.norm()) for key, g in naive.items())
    turns = [{name: seconds(work) for name, work in ways.items()} for _ in range(repeats)]
    model.zero_grad()
    row: dict[str, float | int] = {"prompt": prompt, "response": response, "group_size": group_size}
    row |= {f"{name}_seconds": statistics.median(turn[name] for turn in turns) for name in ways}
    for name in ("naive", "trl"):
        row[f"speedup_over_{name}"] = statistics.median(turn[name] / turn["shared"] for turn in turns)
    return row | {"gradient_difference": difference} | peaks


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, sizes in (("prompt", PROMPTS), ("response", RESPONSES), ("group-size", GROUP_SIZES)):
        parser.add_argument(f"--{name}", type=int, nargs="+", default=sizes, help=f"{name}s; all of {sizes}")
    parser.add_argument("--repeats", type=int, default=7, help="turns a cell")
    parser.add_argument("--quick", action="store_true", help=f"three turns of {QUICK} alone")
    parser.add_argument("--model", choices=MODELS, default="small", help="the policy's size")
    parser.add_argument("--json", type=Path, help="write {machine, rows} to this file")
    arguments = parser.parse_args()
    cells = QUICK if arguments.quick else product(arguments.prompt, arguments.response, arguments.group_size)
    model, rows = build(arguments.model), []
    for cell in cells:
        rows.append(measure(model, *cell, repeats=3 if arguments.quick else arguments.repeats))
        print("  ".join(f"{name} {value:.4g}" for name, value in rows[-1].items()), flush=True)
    if arguments.json:
        machine = f"{platform.platform()}, {torch.cuda.get_device_name() if DEVICE.type == 'cuda' else 'CPU'}"
        arguments.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
