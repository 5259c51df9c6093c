"""What each stage depends on: version, own settings, inputs. Together they are its key, and decide its state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from flows.config import RunConfig
from stages import augment, curate, difficulty, evaluate, rollout, select
from storage.layout import address
from storage.run import Run, Settings
from storage.staleness import StageSettings, State

TRAIN_VERSION = 2  # trainer.train.STAGE_VERSION, which cannot be read without loading torch; a test holds them equal


@dataclass(frozen=True)
class StageSpec:
    """A stage as the round sees it. inputs: round -> addresses (or roots) whose digests are part of the key."""

    name: str
    version: int
    settings: Callable[[RunConfig], dict[str, Any]]
    inputs: Callable[[RunConfig, int], list[str]]


def policy_address(round_index: int) -> str:
    """Where the policy that enters a round comes from."""
    return address(round_index - 1, "train") if round_index else "initial_policy"


def sampler_address(config: RunConfig, round_index: int) -> str:
    """Where the policy that samples a round's rollouts and hints comes from."""
    return "initial_policy" if config.rollout.policy == "reference" else policy_address(round_index)


def window_rounds(config: RunConfig, round_index: int) -> range:
    """The earlier rounds that can hold the replay window; none with an absolute reference.

    Of a window of samples one round more than a full one needs, because dropped samples leave rounds short.
    """
    if config.difficulty.reference == "absolute":
        return range(round_index, round_index)
    needed = config.difficulty.window_size
    if config.difficulty.window_unit == "samples":
        needed = -(-needed // config.select.samples_per_round) + 1
    return range(max(0, round_index - needed), round_index)


def _generation(config: RunConfig) -> dict[str, Any]:
    engine = config.engine.model_dump(include={"type", "dtype"})
    return {
        "rollout": config.rollout.model_dump(),
        "video": config.video.model_dump(exclude={"timeout_seconds", "cache_gib"}, exclude_none=True),
        "prompts": config.prompts.model_dump(),
        "engine": engine,
        "rewards": config.rewards.model_dump(),
    }


def _augment(config: RunConfig) -> dict[str, Any]:
    engine = config.engine.model_dump(include={"type", "dtype", "max_model_len"})  # a hint is cut to the context
    return {"augment": config.augment.model_dump(), **_generation(config), "engine": engine}


def _evaluate(config: RunConfig) -> dict[str, Any]:
    generation = _generation(config)
    return {
        "evaluate": config.evaluate.model_dump(exclude={"every"}),
        **{k: generation[k] for k in ("video", "prompts", "engine", "rewards")},
    }


def _difficulty_inputs(config: RunConfig, r: int) -> list[str]:
    return [address(earlier, "rollout") for earlier in window_rounds(config, r)] + [address(r, "rollout")]


SPECS: dict[str, StageSpec] = {
    spec.name: spec
    for spec in (
        StageSpec("select", select.STAGE_VERSION, lambda c: c.select.model_dump(), lambda c, r: ["data"]),
        StageSpec(
            "rollout", rollout.STAGE_VERSION, _generation, lambda c, r: [address(r, "select"), sampler_address(c, r)]
        ),
        StageSpec("difficulty", difficulty.STAGE_VERSION, lambda c: c.difficulty.model_dump(), _difficulty_inputs),
        StageSpec(
            "augment", augment.STAGE_VERSION, _augment, lambda c, r: [address(r, "difficulty"), sampler_address(c, r)]
        ),
        StageSpec(
            "rollout_augmented",
            rollout.STAGE_VERSION,
            _generation,
            lambda c, r: [address(r, "augment"), address(r, "difficulty"), sampler_address(c, r)],
        ),
        StageSpec(
            "curate",
            curate.STAGE_VERSION,
            lambda c: c.curate.model_dump(),
            lambda c, r: [address(r, "rollout"), address(r, "rollout_augmented")],
        ),
        StageSpec(
            "train",
            TRAIN_VERSION,
            lambda c: c.train.model_dump(exclude={"trackers", "num_processes", "strategy"}),
            lambda c, r: [address(r, "curate"), policy_address(r), "initial_policy"],
        ),
        StageSpec("evaluate", evaluate.STAGE_VERSION, _evaluate, lambda c, r: ["data", policy_address(r)]),
    )
}
ROUND_STAGES = [name for name in SPECS if name != "evaluate"]


def schedule(config: RunConfig) -> Iterator[tuple[str, int]]:
    """Every stage of a run in order, with its round: evaluations where the settings ask for them, and at the end."""
    for round_index in range(config.rounds):
        if round_index % config.evaluate.every == 0:
            yield "evaluate", round_index
        for stage in ROUND_STAGES:
            yield stage, round_index
    yield "evaluate", config.rounds


def run_settings(config: RunConfig) -> Settings:
    """The settings a run stores: the whole configuration, and each stage's part."""
    stages = {name: StageSettings(spec.version, spec.settings(config)) for name, spec in SPECS.items()}
    return Settings(config.model_dump(), stages)


def state_of(run: Run, config: RunConfig, place: str) -> tuple[State, str]:
    """The state of the stage at an address under today's settings and inputs, and for a failed one the reason."""
    return run.ledger.state(place, key_of(run, config, place))


def key_of(run: Run, config: RunConfig, place: str) -> str:
    """Today's key of the stage at an address; none, the empty text, while an input is not current."""
    if "/" not in place:
        return ""
    round_name, stage = place.split("/")
    inputs = {name: run.ledger.digest(name) for name in SPECS[stage].inputs(config, int(round_name))}
    known = {name: digest for name, digest in inputs.items() if digest is not None}
    return run.key(place, known) if len(known) == len(inputs) else ""
