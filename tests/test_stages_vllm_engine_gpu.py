"""What differs on a GPU: weights swapped in place. The order on any machine, the real thing where there is a GPU."""

import pytest
import torch

from flows.config import load_config
from stages import vllm_engine
from stages.engine import Policy
from stages.vllm_engine import VllmEngine
from storage.probe import PROBE_FILE
from trainer.checkpoint import save_checkpoint
from trainer.policy import load_policy, load_processor
from trainer.probe import measure, save_probe


class Recorder:
    """Takes any call and keeps its name and arguments."""

    def __init__(self, calls, prefix=""):
        self.calls, self.prefix = calls, prefix
        if not prefix:
            self.llm_engine = Recorder(calls, "llm_engine.")

    def __getattr__(self, name):
        return lambda *args, **kwargs: self.calls.append((self.prefix + name, args, kwargs))


def test_the_order_of_a_swap_in_place(checkpoint, monkeypatch):
    """Memory for weights first, then the weights, then the cache; every cache of old activations is dropped."""
    monkeypatch.setattr(vllm_engine, "_on_cpu", lambda: False)
    config, calls = load_config("tiny"), []
    engine = VllmEngine(config.engine, config.video)
    engine._llm = Recorder(calls)
    engine.release()
    engine._swap_in_place(Policy(checkpoint, checkpoint / PROBE_FILE, 1))
    assert calls == [
        ("sleep", (), {"level": 2}),
        ("wake_up", (), {"tags": ["weights"]}),
        ("collective_rpc", ("reload_weights",), {"kwargs": {"weights_path": str(checkpoint)}}),
        ("wake_up", (), {"tags": ["kv_cache"]}),
        ("reset_prefix_cache", (), {}),
        ("llm_engine.reset_encoder_cache", (), {}),
        ("reset_mm_cache", (), {}),
    ]


@pytest.mark.gpu
def test_release_frees_the_gpu_and_the_new_weights_pass_their_probe(checkpoint, tmp_path):
    config, processor = load_config("tiny", ["engine.gpu_memory_utilization=0.3"]), load_processor(checkpoint)
    model = load_policy(checkpoint, trainable=False)
    before = measure(model, processor)
    for name, parameter in model.named_parameters():
        if "visual" not in name:
            parameter.add_(0.1 * parameter.std() * torch.randn_like(parameter))
    save_checkpoint(model, checkpoint, tmp_path)
    save_probe(tmp_path / PROBE_FILE, processor, measure(model, processor), before)
    engine = VllmEngine(config.engine, config.video)
    engine.load(Policy(checkpoint, checkpoint / PROBE_FILE, 0))
    held = torch.cuda.mem_get_info()[0]
    engine.release()
    assert torch.cuda.mem_get_info()[0] > held
    engine.load(Policy(tmp_path, tmp_path / PROBE_FILE, 1))
    engine.load(Policy(checkpoint, checkpoint / PROBE_FILE, 0))
