"""docs/settings.md and docs/schema.json, made from the settings' own classes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from flows.config import RunConfig, load_config, preset_names
from flows.settings import every_setting
from flows.settings_toml import toml_value

HEAD = """# Settings

Made by `make settings-docs` from the classes that define them (`flows/config.py`, `stages/config.py`,
`trainer/config.py`); a test holds it current. A run takes a TOML file or a preset's name; `--set name=value` overrides
one value. The last columns are the values of the presets for the embedded data, in bold where they differ from the
default; those for real data (`flows/presets/`) say in the file what the paper gives and what is a guess.

`deepvideo config show CONFIG` prints what a file resolves to, `deepvideo config check CONFIG` says whether it is right.
For completion and checks in an editor (Even Better TOML, Taplo) the first line of a settings file names the schema,
`#:schema schema.json`; `deepvideo config schema > schema.json` makes it.

Live curves: `--set 'train.trackers=["tensorboard"]'`, then `tensorboard --logdir RUN/logs`; or `"wandb"` (after
`wandb login`, or with `WANDB_MODE=offline`) and `"trackio"`, each of which `pip install` adds. The values are the
numbers of `train_steps`, the x axis is the optimiser step counted over the whole run. A round may be trained more than
once: resumed after a kill, stale, or with `--force`. TensorBoard then drops what the run had drawn from that round's
first step on and draws on from there; in wandb and trackio every try of a round is a run of its own, in the group of
the run. The setting is no part of a stage's key: it may change at any time.
"""
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
SECTION = "a section"
_WORDS = {"null": "not set", "object": "table"}
Presets = dict[str, dict[str, Any]]
"""Each preset's values by the setting's dotted name."""


def schema_json() -> str:
    """The JSON schema of a settings file."""
    return json.dumps(RunConfig.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def settings_markdown() -> str:
    """Every setting by section: type, default, bounds, meaning, and its value in each preset."""
    configs = {name: load_config(name) for name in preset_names()}
    embedded = {name: config for name, config in configs.items() if config.data.name == "shapes"}
    presets = {name: {s.name: s.value for s in every_setting(config)} for name, config in embedded.items()}
    schema = RunConfig.model_json_schema()
    return "\n".join([HEAD, *_section(schema, "", schema, presets)])


def _section(schema: dict[str, Any], name: str, node: dict[str, Any], presets: Presets) -> Iterator[str]:
    """The lines of a section and of those below it, with the presets that have it, or chose it of several kinds."""
    kind = node["properties"].get("type", {}).get("const")
    chosen = {
        preset: values
        for preset, values in presets.items()
        if (values[f"{name}.type"] == kind if kind else values.get(name, presets) is not None)
    }
    title = f"`{name}`" + (f" of type `{kind}`" if kind else "") if name else "The run"
    parts = {field: _references(value) for field, value in node["properties"].items()}
    columns = ["setting", "type", "default", "bounds", "meaning", *chosen]
    yield f"## {title}\n\n{_line(node['description'])}\n"
    yield f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}"
    for field, value in node["properties"].items():
        if not parts[field] or "anyOf" in value:
            place = f"{name}.{field}".lstrip(".")
            given = [toml_value(values[place]) if place in values else SECTION for values in chosen.values()]
            yield f"| {' | '.join(_cells(field, value, given))} |"
    yield ""
    for field, references in parts.items():
        for reference in references:
            yield from _section(schema, f"{name}.{field}".lstrip("."), schema["$defs"][reference], chosen)


def _cells(field: str, value: dict[str, Any], in_presets: list[str]) -> list[str]:
    default = toml_value(value["default"])
    shown = [f"`{text}`" if text == default else f"**`{text}`**" for text in in_presets]
    one = _without_null(value)
    bounds = ", ".join(f"{sign} {one[key]:g}" for key, sign in BOUNDS.items() if key in one)
    return [f"`{field}`", _type(value), f"`{default}`", bounds, _line(value["description"]), *shown]


def _type(value: dict[str, Any]) -> str:
    if "$ref" in value:
        return SECTION
    if "anyOf" in value:
        return ", or ".join(_type(part) for part in value["anyOf"])
    if value["type"] == "array":
        return f"list of {_type(value['items'])}"
    choices = value.get("enum") or ([value["const"]] if "const" in value else [])
    return " or ".join(f'`"{choice}"`' for choice in choices) or _WORDS.get(value["type"], value["type"])


def _without_null(value: dict[str, Any]) -> dict[str, Any]:
    return next((part for part in value.get("anyOf", []) if part.get("type") != "null"), value)


def _references(value: dict[str, Any]) -> list[str]:
    """Names of the classes that a field holds: one for a section, several where a type chooses, none for a value."""
    found = [value, *value.get("oneOf", []), *value.get("anyOf", [])]
    return [part["$ref"].rsplit("/", 1)[1] for part in found if "$ref" in part]


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
