"""The vLLM engine: one start-up a run, in this process, new weights each round; the same code on CPU and GPU.

How weights are swapped is the one thing that depends on the device, measured in ENVIRONMENT.md: on a GPU in place; on
a CPU, where vLLM's in-place reload is silently wrong, by building a new engine in the same process.
Either way the checkpoint's probe then has to confirm them.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")

from stages.config import EngineConfig, VideoConfig
from stages.engine import Completion, EngineError, Generation, Policy, Request, Sampling
from stages.probe import check_probe
from storage.video import VISION_TOKENS, pixel_limits

CPU_BATCHED_TOKENS = 8192


class VllmEngine:
    """Generates with vLLM in this process."""

    holds_policy = True

    def __init__(self, config: EngineConfig, video: VideoConfig) -> None:
        self._config, self._pixels = config, pixel_limits(video.min_pixels, video.max_pixels)
        self._llm: Any = None
        self._forbidden: dict[int, float] = {}

    def load(self, policy: Policy) -> None:
        """See Engine.load."""
        if self._llm is not None and not _on_cpu():
            self._swap_in_place(policy)
        else:
            self.release()
            self._llm = self._build(policy)
        tokenizer = self._llm.get_tokenizer()
        known = tokenizer.get_vocab()
        self._forbidden = {known[name]: float("-inf") for name in VISION_TOKENS if name in known}
        check_probe(self, policy, self._config.dtype)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Generation]:
        """See Engine.generate."""
        from vllm import SamplingParams

        prompts = [self._prompt(request) for request in requests]
        parameters = [
            SamplingParams(
                n=sampling.num_responses,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                max_tokens=sampling.max_new_tokens,
                seed=request.seed,
                logprobs=0,
                logit_bias=self._forbidden,
            )
            for request in requests
        ]
        outputs = self._llm.generate(prompts, parameters, use_tqdm=False)
        return [_generation(output) for output in outputs]

    def score(self, sequences: Sequence[np.ndarray]) -> list[np.ndarray]:
        """See Engine.score."""
        from vllm import SamplingParams

        prompts = [{"prompt_token_ids": [int(token) for token in tokens]} for tokens in sequences]
        outputs = self._llm.generate(prompts, SamplingParams(max_tokens=1, prompt_logprobs=0), use_tqdm=False)
        return [
            np.array(
                [
                    entry[token].logprob
                    for token, entry in zip(output.prompt_token_ids[1:], output.prompt_logprobs[1:], strict=True)
                ]
            )
            for output in outputs
        ]

    def release(self) -> None:
        """See Engine.release."""
        if self._llm is None:
            return
        if _on_cpu():
            core, self._llm = self._llm.llm_engine.engine_core, None
            _empty_caches()
            core.shutdown()  # and collects all that is left of the engine
            gc.freeze()  # or the next start would go over all that was ever imported, five times
        else:
            self._llm.sleep(level=2)

    def _build(self, policy: Policy) -> Any:
        from vllm import LLM

        if _on_cpu():
            # A chunked prefill rewinds a seeded request's generator, which vLLM 0.32 cannot do on a CPU ("CPU Generator
            # does not use offset"): prefill whole prompts, several a step.
            batched = max(self._config.max_model_len, CPU_BATCHED_TOKENS)
            device: dict[str, Any] = {
                "enable_chunked_prefill": False,
                "max_num_batched_tokens": batched,
                "kv_cache_memory_bytes": int(self._config.cpu_kv_cache_gib * 2**30),
            }
        else:
            device = {"gpu_memory_utilization": self._config.gpu_memory_utilization, "enable_sleep_mode": True}
        return LLM(
            model=str(policy.path),
            dtype=self._config.dtype,
            max_model_len=self._config.max_model_len,
            max_num_seqs=self._config.max_num_seqs,
            enforce_eager=self._config.enforce_eager,
            distributed_executor_backend="uni",
            limit_mm_per_prompt={"video": 1, "image": 1},
            logprobs_mode="processed_logprobs",
            disable_log_stats=True,
            **device,
        )

    def _prompt(self, request: Request) -> Any:
        data: dict[str, Any] = {}
        if (video := request.shown.video) is not None:
            data["video"] = [(video.frames, {**video.metadata(), "do_sample_frames": False})]
        if (image := request.shown.image) is not None:
            data["image"] = [Image.fromarray(image)]
        return {
            "prompt": request.prompt,
            "multi_modal_data": data,
            "mm_processor_kwargs": {"size": self._pixels},
        }

    def _swap_in_place(self, policy: Policy) -> None:
        self._llm.wake_up(tags=["weights"])
        self._llm.collective_rpc("reload_weights", kwargs={"weights_path": str(policy.path)})
        self._llm.wake_up(tags=["kv_cache"])
        self._llm.reset_prefix_cache()
        self._llm.llm_engine.reset_encoder_cache()
        self._llm.reset_mm_cache()


def _on_cpu() -> bool:
    from vllm.platforms import current_platform

    return bool(current_platform.is_cpu())


def _empty_caches() -> None:
    """Empties the caches of vLLM 0.32 that keep processors and tokenizers of engines that are gone."""
    from vllm.multimodal.processing.processor import cached_encode
    from vllm.tokenizers.registry import cached_get_tokenizer
    from vllm.transformers_utils.processor import cached_get_processor, get_processor_kwargs_type
    from vllm.utils.func_utils import _supports_kw

    for cache in (cached_encode, cached_get_tokenizer, cached_get_processor, get_processor_kwargs_type, _supports_kw):
        cache.cache_clear()


def _generation(output: Any) -> Generation:
    completions = []
    for choice in output.outputs:
        ids = np.array(choice.token_ids, dtype=np.int32)
        logprobs = np.array(
            [entry[int(t)].logprob for t, entry in zip(ids, choice.logprobs, strict=True)], dtype=np.float32
        )
        if not np.isfinite(logprobs).all():
            raise EngineError(f"request {output.request_id}: vLLM returned a log-prob that is not finite")
        completions.append(Completion(choice.text, ids, logprobs, choice.finish_reason))
    return Generation(np.array(output.prompt_token_ids, dtype=np.int32), tuple(completions))
