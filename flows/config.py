"""RunConfig: everything a run can be told, composed of each package's settings, read from TOML."""

from __future__ import annotations

import copy
import difflib
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from stages.config import (
    AugmentConfig,
    Config,
    CurateConfig,
    DifficultyConfig,
    EngineConfig,
    EvaluateConfig,
    PromptsConfig,
    RewardsConfig,
    RolloutConfig,
    SelectConfig,
    VideoConfig,
)
from storage.errors import UserError
from trainer.config import LOSSES, TrainConfig

if TYPE_CHECKING:
    from storage.run import Run

PRESETS = Path(__file__).with_name("presets")


DatasetName = Literal[
    "shapes",
    "jsonl",
    "nextgqa",
    "seed_bench_r1",
    "longvideobench",
    "video_r1",
    "mvbench",
    "tempcompass",
    "video_mme",
    "vsi_bench",
    "video_mmmu",
    "mmvu",
]
"""storage.datasets.ADAPTERS, which cannot be read without loading OpenCV; a test holds them equal."""


class ValidationConfig(Config):
    """Validation samples from files of their own: every sample in them is one, whatever split they name."""

    name: DatasetName | None = None
    """The adapter; if not set, that of `data`."""
    paths: dict[str, str] = Field(default={})
    """The adapter's own arguments."""


class DataConfig(Config):
    """The data set."""

    name: DatasetName = "shapes"
    """Which adapter of storage/datasets reads it; `shapes` is made here, from the run's seed."""
    paths: dict[str, str] = Field(default={})
    """The adapter's own arguments, such as `annotations` and `video_root` (docs/own-videos.md); none for `shapes`."""
    validation: ValidationConfig | None = None
    """Validation samples from other files; if not set, those of the data set's own validation split."""
    validation_share: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of the videos whose samples become validation samples, for data without a validation split; drawn from the
    run's seed, a video never in both."""
    on_bad_row: Literal["error", "report"] = "error"
    """What a bad annotation row does: `error` stops before any work; `report` goes on without it, and puts it into the
    table `rejected`."""
    num_train: Annotated[int, Field(ge=1)] = 256
    """Training samples that `shapes` makes."""
    num_validation: Annotated[int, Field(ge=1)] = 128
    """Validation samples that `shapes` makes."""


class ModelConfig(Config):
    """The initial policy, which is also the reference of the KL term."""

    path: str = "builtin:tiny"
    """A local checkpoint folder, or `builtin:tiny` for the one that ships with the project."""


class RunConfig(Config):
    """A run. Data, initial policy and seed are its identity; the rest may change between continuations."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of everything random; 32 bits, as NumPy's generators take it."""
    rounds: Annotated[int, Field(ge=1)] = 3
    """Rounds to complete; asking for more continues a run."""
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    engine: EngineConfig = EngineConfig()
    video: VideoConfig = VideoConfig()
    prompts: PromptsConfig = PromptsConfig()
    select: SelectConfig = SelectConfig()
    rollout: RolloutConfig = RolloutConfig()
    rewards: RewardsConfig = RewardsConfig()
    difficulty: DifficultyConfig = DifficultyConfig()
    augment: AugmentConfig = AugmentConfig()
    curate: CurateConfig = CurateConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        selected, longest = self.select.samples_per_round, self.engine.max_model_len
        if self.data.name == "shapes" and selected > self.data.num_train:
            raise ValueError(
                f"select.samples_per_round is {selected}, data.num_train {self.data.num_train}: "
                "a round holds each sample at most once; ask for fewer, or for more data"
            )
        if self.curate.noisy_rollout and self.rollout.group_size % 2:
            raise ValueError(
                f"rollout.group_size is {self.rollout.group_size}, curate.noisy_rollout true: "
                "its groups are half clean, half noisy; give an even size"
            )
        loss = self.train.loss.type
        if loss == "dpo" and self.rollout.policy == "current":
            raise ValueError(
                "train.loss.type is dpo, rollout.policy current: its pairs are the reference's; "
                'give rollout.policy = "reference", or train.loss.type = "online_dpo"'
            )
        if loss not in ("dpo", "sft") and self.rollout.policy == "reference":
            raise ValueError(
                f"rollout.policy is reference, train.loss.type {loss}: it learns from what the current policy samples; "
                'give rollout.policy = "current", or train.loss.type dpo or sft'
            )
        if loss in ("dpo", "online_dpo") and self.curate.equal_rewards == "keep":
            raise ValueError(
                f"curate.equal_rewards is keep, train.loss.type {loss}: "
                'equal rewards have no better and no worse response to make a pair of; give "drop"'
            )
        for name, tokens in (("rollout", self.rollout.max_new_tokens), ("evaluate", self.evaluate.max_new_tokens)):
            if tokens >= longest:
                raise ValueError(
                    f"{name}.max_new_tokens is {tokens}, engine.max_model_len {longest}: "
                    "prompt and response share it; lower the one or raise the other"
                )
        return self


def preset_names() -> list[str]:
    """The presets that ship with the project."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def load_config(path: str | Path, overrides: list[str] | None = None) -> RunConfig:
    """The settings of a TOML file (or of a preset's bare name), with `key.path=value` overrides in TOML's own syntax.

    UserError, in one line, for a missing or unreadable file, an unknown setting (with the nearest right name) or a
    value out of range.
    """
    file = Path(path)
    if not file.suffix and not file.exists() and (PRESETS / f"{path}.toml").is_file():
        file = PRESETS / f"{path}.toml"
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        hint = f"{_nearest(str(path), preset_names())}give a TOML file, or a preset: {', '.join(preset_names())}"
        raise UserError(f"{path}: cannot be read ({error.strerror}); {hint}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: not text in UTF-8 (byte {error.start}), as TOML must be; save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise UserError(
            f"{file}: not valid TOML: {error}; the preset {PRESETS / 'tiny.toml'} shows the form"
        ) from error
    return resolve_config(values, overrides, str(file))


def stored_config(run: Run, overrides: list[str] | None = None) -> RunConfig:
    """The settings that a run was last given, with `overrides`."""
    return resolve_config(copy.deepcopy(run.settings.config), overrides, run.files.url)


def resolve_config(values: dict[str, Any], overrides: list[str] | None, source: str) -> RunConfig:
    """The settings in `values` with `overrides`; UserError, in one line, where they are wrong.

    It names whose mistake it is: the override that set what is wrong, else `source`.
    """
    given = {_override(values, override): override for override in overrides or []}
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        said: dict[str, list[str]] = {}
        for problem in error.errors():
            explained = _explain(problem)
            said.setdefault(_blamed(problem, explained, given) or source, []).append(explained)
        raise UserError("; ".join(f"{who}: {'; '.join(what)}" for who, what in said.items())) from error


def _override(values: dict[str, Any], override: str) -> str:
    """Puts an override into `values`; returns the name of the setting."""
    name, equals, text = override.partition("=")
    if not (equals and name.strip()) or len(override.splitlines()) > 1:
        raise UserError(f"--set {override!r}: must be name=value on one line, e.g. --set rollout.group_size=8")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string, so that no quotes need quoting in a shell
    *folders, last = name.strip().split(".")
    for folder in folders:
        if values.get(folder) is None:  # a section that may be left out, and is
            values[folder] = {}
        values = values[folder]
        if not isinstance(values, dict):
            raise UserError(f"--set {override}: {folder} is a value, not a section")
    values[last] = value
    return ".".join([*folders, last])


def _blamed(problem: Any, explained: str, given: dict[str, str]) -> str:
    """The overrides, by name of the setting, that a problem is about; none if the settings before them are."""
    place = f"{_name(problem)}."
    if problem["type"] == "value_error":  # of several settings: it names them, beside others without their section
        words = set(re.findall(r"[\w.]*\w", explained))
        found = [name for name in given if name in words or (name.startswith(place) and name[len(place) :] in words)]
    else:
        found = [name for name in given if place.startswith(f"{name}.") or name.startswith(place)]
    return " ".join(f"--set {given[name]}" for name in found)


def _name(problem: Any) -> str:
    # A discriminated union puts its tag into the location: train.loss.reg_grpo.std_floor is train.loss.std_floor.
    return ".".join(str(part) for part in problem["loc"] if part not in LOSSES)


def _nearest(name: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {nearest[0]}? " if nearest else ""


def _explain(problem: Any) -> str:
    name = _name(problem)
    if problem["type"] == "extra_forbidden":
        return f"unknown setting {name}; {_instead(list(problem['loc']))}"
    if problem["type"].startswith("union_tag"):
        guess = _nearest(str(problem["ctx"].get("tag", "")), list(LOSSES))
        return f"{name} needs a type, one of: {', '.join(sorted(LOSSES))}" + (f"; {guess.strip()}" if guess else "")
    if problem["type"] in ("model_type", "model_attributes_type"):
        return f"{name} is {problem['input']!r}, but it is a section: set {name}.{setting_names([*problem['loc']])[0]}"
    said = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":  # of a validator here, about several settings: it names them
        return f"{name}.{said}" if name else said
    said = f"{name} is {problem['input']!r}: {said[0].lower()}{said[1:]}"
    if problem["type"] == "literal_error":
        guess = _nearest(str(problem["input"]), re.findall(r"'(.*?)'", problem["ctx"]["expected"]))
        said += f"; {guess.strip()}" if guess else ""
    return said


def _instead(location: list[str]) -> str:
    """What an unknown setting may have meant: the nearest beside it, the same name elsewhere, else all beside it."""
    *section, last = location
    beside = setting_names(section) if section else list(RunConfig.model_fields)
    nearest = difflib.get_close_matches(last, beside, n=1, cutoff=0.5)
    elsewhere = [name for name in setting_names() if name.rsplit(".", 1)[-1] == last]
    if nearest or elsewhere:
        shown = [part for part in section if part not in LOSSES]
        return f"did you mean {'.'.join([*shown, *nearest]) if nearest else elsewhere[0]}?"
    return f"there are {', '.join(beside)}"


def setting_names(section: list[str] | None = None) -> list[str]:
    """Names of the settings in `section`; without one, the full dotted names of all."""
    if section:
        return sorted({name for model in _models(section) for name in model.model_fields})
    names: list[str] = []
    for name, field in RunConfig.model_fields.items():
        is_section = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        names += [f"{name}.{inner}" for inner in setting_names([name])] if is_section else [name]
    return names + list(RunConfig.model_fields)


def _models(section: list[str]) -> list[Any]:
    """The settings classes that stand for `section`: of a union all, or with its tag as the last part that one."""
    models: list[Any] = [RunConfig]
    for part in section:
        found = [model.model_fields[part].annotation for model in models if part in model.model_fields]
        inner = [model for annotation in found for model in getattr(annotation, "__args__", (annotation,))]
        tagged = [
            model for model in models if "type" in model.model_fields and model.model_fields["type"].default == part
        ]
        models = [model for model in inner if hasattr(model, "model_fields")] or tagged
    return models
