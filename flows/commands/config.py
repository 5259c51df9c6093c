"""`deepvideo config`: settings shown, checked and documented; nothing is run."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.commands.options import Sets
from flows.config import load_config

Config = Annotated[str, typer.Argument(metavar="CONFIG", help="A TOML file, or a preset's name.")]
config = typer.Typer(no_args_is_help=True, help="Settings: show, check, document them.")


@config.command()
def show(path: Config, overrides: Sets = None) -> None:
    """Print every setting as TOML that loads again; what differs from its default says so in a comment."""
    from flows.settings_toml import to_toml

    typer.echo(to_toml(load_config(path, overrides)), nl=False)


@config.command()
def check(path: Config, overrides: Sets = None) -> None:
    """Say whether a file is right, and which settings differ from their defaults; exit code 2 if it is wrong."""
    from flows.data import check_data_settings
    from flows.session import find_policy
    from flows.settings import every_setting
    from flows.settings_toml import toml_value

    settings = load_config(path, overrides)
    checkpoint = find_policy(settings)
    check_data_settings(settings.data)
    changed = [setting for setting in every_setting(settings) if setting.changed]
    typer.echo(f"{path}: ok; the policy starts from {checkpoint}")
    typer.echo(f"{len(changed)} settings differ from their defaults" + (":" if changed else ""))
    for setting in changed:
        typer.echo(f"  {setting.name} = {toml_value(setting.value)}  (default: {toml_value(setting.default)})")


@config.command()
def schema() -> None:
    """Print the JSON schema of a settings file, for editors: its first line is then `#:schema FILE`."""
    from flows.settings_docs import schema_json

    typer.echo(schema_json(), nl=False)


@config.command()
def docs() -> None:
    """Print the page that documents every setting (docs/settings.md)."""
    from flows.settings_docs import settings_markdown

    typer.echo(settings_markdown(), nl=False)
