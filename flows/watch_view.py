"""What `deepvideo watch` shows of a look at a run: one line, or a screen of a few tables."""

from __future__ import annotations

from datetime import timedelta

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from flows.tables import narrow, rounds_table
from flows.watch import Look

MAX_ROUNDS = 5


def line(look: Look) -> str:
    """The look as one line."""
    parts = [where(look)]
    parts += [
        f"{p.num_groups} {p.name} groups: mean reward {p.mean_reward:.3f}, accuracy {p.accuracy:.3f}, "
        f"vanishing {p.vanishing:.0%}"
        for p in look.passes
        if p.name != "control"
    ]
    if look.figures:
        step = look.figures[-1]
        parts.append(
            f"step {step['done']:.0f}: loss {step['loss']:.4g}, KL {step['kl']:.3g}, std of rho {step['rho_std']:.3g}"
        )
    return "; ".join([*parts, who(look)])


def screen(look: Look) -> RenderableType:
    """The look as a few lines and tables that fit eighty columns."""
    parts: list[RenderableType] = [Text(f"run {look.run.identity.run_id} in {look.run.files.url}"), Text(where(look))]
    parts.append(Text(who(look)))
    if look.problem:
        parts.append(Text(f"failed: {look.problem}"))
    if look.passes:
        parts.append(_passes(look))
    if look.figures:
        parts.append(_steps(look))
    return Group(*parts, rounds_table(look.run, MAX_ROUNDS))


def where(look: Look) -> str:
    """Round, stage, how far it is, how fast, how long it will take."""
    if not look.place:
        return f"all {look.config.rounds} rounds are complete"
    stage, now = look.place.split("/")[1], look.now
    text = f"round {look.round_index} (0 to {look.config.rounds - 1}), {stage}"
    if now is None or not now.total:
        return text
    text += f": {now.what} {now.done} of {now.total}"
    if now.rate:
        left = timedelta(seconds=round((now.total - now.done) / now.rate))
        text += f", {now.rate:.2g}/s, {left} left"
    return text


def who(look: Look) -> str:
    """Who works on the run."""
    if look.holder:
        return f"at work: process {look.holder['pid']} on {look.holder['host']}"
    if look.work == "working":
        return "an object store: who works on it cannot be known"
    return "nobody holds the run; its last process is alive" if look.work == "between" else "nobody is at work"


def farewell(look: Look) -> str:
    """Why there is nothing left to watch."""
    if look.work == "complete":
        return f"complete: {where(look)}"
    failed = f", which failed: {look.problem}" if look.problem else ""
    return f"nobody works on this run; next: {look.place}{failed}; `deepvideo run` continues it"


def _passes(look: Look) -> Table:
    table = narrow(f"Round {look.round_index} so far")
    for name in ("pass", "groups", "mean\nreward", "accuracy", "vanishing"):
        table.add_column(name, justify="left" if name == "pass" else "right")
    for p in look.passes:
        table.add_row(p.name, str(p.num_groups), f"{p.mean_reward:.3f}", f"{p.accuracy:.3f}", f"{p.vanishing:.0%}")
    return table


def _steps(look: Look) -> Table:
    table = narrow("Last optimiser steps")
    for name in ("step", "loss", "KL", "std of rho"):
        table.add_column(name, justify="right")
    for step in look.figures:
        table.add_row(f"{step['done']:.0f}", f"{step['loss']:.4g}", f"{step['kl']:.3g}", f"{step['rho_std']:.3g}")
    return table
