"""Every setting of a configuration by its dotted name, with its value and its default."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from flows.config import RunConfig


@dataclass(frozen=True)
class Setting:
    """One setting: its dotted name, and None where a value or default is not set."""

    name: str
    value: Any
    default: Any

    @property
    def changed(self) -> bool:
        """Whether the value differs from the default."""
        return bool(self.value != self.default)


def every_setting(config: RunConfig) -> Iterator[Setting]:
    """The settings of `config` in the order in which their classes name them, a section's own before its parts'."""
    yield from _below(config, RunConfig(), "")


def _below(section: BaseModel, defaults: BaseModel, prefix: str) -> Iterator[Setting]:
    values = {name: (getattr(section, name), getattr(defaults, name)) for name in type(section).model_fields}
    for name, (value, default) in values.items():
        if not isinstance(value, BaseModel):
            yield Setting(f"{prefix}{name}", value, default)
    for name, (value, default) in values.items():
        if isinstance(value, BaseModel):
            yield from _below(value, _of_kind(value, default), f"{prefix}{name}.")


def _of_kind(value: BaseModel, default: Any) -> BaseModel:
    """The defaults of a part; of another loss than the default one its own, but the default `type`."""
    return default if type(default) is type(value) else type(value)().model_copy(update={"type": default.type})
