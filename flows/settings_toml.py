"""Settings as TOML: text that loads again, with a comment at each value that is not the default."""

from __future__ import annotations

from typing import Any

import tomlkit

from flows.config import RunConfig
from flows.settings import every_setting


def to_toml(config: RunConfig) -> str:
    """The whole of `config`, every section written out; TOML has no word for what is not set: that is a comment."""
    document = tomlkit.document()
    for setting in every_setting(config):
        *folders, name = setting.name.split(".")
        section: Any = document
        for folder in folders:
            if folder not in section:
                section.add(folder, tomlkit.table())
            section = section[folder]
        if setting.value is None:
            section.add(tomlkit.comment(f"{name} is not set"))
            continue
        item = tomlkit.item(_plain(setting.value))
        section.add(name, item.comment(f"default: {toml_value(setting.default)}") if setting.changed else item)
    return tomlkit.dumps(document)


def toml_value(value: Any) -> str:
    """One value as TOML writes it."""
    return "not set" if value is None else tomlkit.item(_plain(value)).as_string()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):  # of names that the user chose: one line, as --set takes it
        table = tomlkit.inline_table()
        table.update(value)
        return table
    return list(value) if isinstance(value, tuple) else value
