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
    """The settings of `config` in the order in which their classes name them, a section's own before its parts'.

    A section that may be left out is one setting while it is; given, each of its settings has the default None.
    """
    yield from _below(config, RunConfig(), "")


def _below(section: BaseModel, defaults: BaseModel | None, prefix: str) -> Iterator[Setting]:
    values = {name: (getattr(section, name), getattr(defaults, name, None)) for name in type(section).model_fields}
    for name, (value, default) in values.items():
        if not isinstance(value, BaseModel):
            yield Setting(f"{prefix}{name}", value, default)
    for name, (value, default) in values.items():
        if isinstance(value, BaseModel):
            yield from _below(value, _of_kind(value, default), f"{prefix}{name}.")


def _of_kind(value: BaseModel, default: Any) -> BaseModel | None:
    """The defaults of a part, if it has any; of another loss than the default one its own, but the default `type`."""
    return (
        default
        if default is None or type(default) is type(value)
        else type(value)().model_copy(update={"type": default.type})
    )
