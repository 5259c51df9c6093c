"""RunConfig: everything a run can be told, composed of each package's settings, read from TOML."""

from __future__ import annotations

import copy
import difflib
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from stages.config import (
    AugmentConfig,
    Config,
    CurateConfig,
    DifficultyConfig,
    EngineConfig,
    EvaluateConfig,
    RewardsConfig,
    RolloutConfig,
    SelectConfig,
    VideoConfig,
)
from storage.errors import UserError
from trainer.config import TrainConfig

if TYPE_CHECKING:
    from storage.run import Run

LOSSES = ("reg_grpo", "grpo")
PRESETS = Path(__file__).with_name("presets")


class DataConfig(Config):
    """The data set."""

    name: Literal["shapes"] = "shapes"
    """Which adapter of storage/datasets reads it; `shapes` is made here, from the run's seed."""
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

    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of everything random."""
    rounds: Annotated[int, Field(ge=1)] = 3
    """Rounds to complete; asking for more continues a run."""
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    engine: EngineConfig = EngineConfig()
    video: VideoConfig = VideoConfig()
    select: SelectConfig = SelectConfig()
    rollout: RolloutConfig = RolloutConfig()
    rewards: RewardsConfig = RewardsConfig()
    difficulty: DifficultyConfig = DifficultyConfig()
    augment: AugmentConfig = AugmentConfig()
    curate: CurateConfig = CurateConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()


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
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        hint = f"{_nearest(str(path), preset_names())}give a TOML file, or a preset: {', '.join(preset_names())}"
        raise UserError(f"{path}: cannot be read ({error.strerror}); {hint}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: not valid TOML: {error}") from error
    return resolve_config(values, overrides, str(file))


def stored_config(run: Run, overrides: list[str] | None = None) -> RunConfig:
    """The settings that a run was last given, with `overrides`."""
    return resolve_config(copy.deepcopy(run.settings.config), overrides, run.files.url)


def resolve_config(values: dict[str, Any], overrides: list[str] | None, source: str) -> RunConfig:
    """The settings in `values` with `overrides`; UserError, in one line that names `source`, where they are wrong."""
    for override in overrides or []:
        _override(values, override)
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{source}: " + "; ".join(_explain(problem) for problem in error.errors())) from error


def _override(values: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    if not equals:
        raise UserError(f"--set {override}: must be name=value, e.g. --set rollout.group_size=8")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string, so that no quotes need quoting in a shell
    *folders, last = name.strip().split(".")
    for folder in folders:
        values = values.setdefault(folder, {})
        if not isinstance(values, dict):
            raise UserError(f"--set {override}: {folder} is a value, not a section")
    values[last] = value


def _nearest(name: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {nearest[0]}? " if nearest else ""


def _explain(problem: Any) -> str:
    # A discriminated union puts its tag into the location: train.loss.reg_grpo.std_floor is train.loss.std_floor.
    location = [str(part) for part in problem["loc"] if part not in LOSSES]
    name = ".".join(location)
    if problem["type"] == "extra_forbidden":
        nearest = difflib.get_close_matches(location[-1], setting_names(location[:-1]), n=1, cutoff=0.5)
        elsewhere = [n for n in setting_names() if n.rsplit(".", 1)[-1] == location[-1]]
        guess = ".".join([*location[:-1], *nearest]) if nearest else next(iter(elsewhere), "")
        hint = f"did you mean {guess}?" if guess else "docs/settings.md lists every setting"
        return f"unknown setting {name}; {hint}"
    if problem["type"].startswith("union_tag"):
        guess = _nearest(str(problem["ctx"].get("tag", "")), list(LOSSES))
        return f"{name} needs a type, one of: {', '.join(sorted(LOSSES))}" + (f"; {guess.strip()}" if guess else "")
    said = f"{name} is {problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}"
    if problem["type"] == "literal_error":
        guess = _nearest(str(problem["input"]), re.findall(r"'(.*?)'", problem["ctx"]["expected"]))
        said += f"; {guess.strip()}" if guess else ""
    return said


def setting_names(section: list[str] | None = None) -> list[str]:
    """Names of the settings in `section`; without one, the full dotted names of all."""
    if section:
        model: Any = RunConfig
        for part in section:
            model = model.model_fields[part].annotation if part in getattr(model, "model_fields", {}) else None
        members = getattr(model, "__args__", (model,))
        return sorted({name for member in members for name in getattr(member, "model_fields", {})})
    names: list[str] = []
    for name, field in RunConfig.model_fields.items():
        is_section = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        names += [f"{name}.{inner}" for inner in setting_names([name])] if is_section else [name]
    return names + list(RunConfig.model_fields)
