"""What a run looks like in a terminal: the table of rounds, the stages' seconds, any query's result."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.replay import Comparison
from flows.stage_specs import SPECS
from stages.metrics.wilson import wilson_interval
from storage.query import query
from storage.run import Run

MAX_COLUMNS = 6


def rounds_table(run: Run, last: int | None = None) -> Table:
    """One row a round, or the `last` ones: reward, vanishing ratio before and after augmentation, labels, rows."""
    table = narrow("Rounds")
    names = ("round", "mean\nreward", "accuracy", "vanishing\nbefore", "vanishing\nafter", "hard", "easy", "kept")
    for name in (*names, "rollouts", "groups\ntrained"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in query(run, "from rounds").to_pylist()[-(last or 0) :]:
        table.add_row(
            str(row["round_index"]),
            f"{row['mean_reward']:.3f}",
            f"{row['accuracy']:.3f}",
            _share(row["vanishing_before"]),
            _share(row["vanishing_after"]),
            *(str(row[name] or 0) for name in ("num_hard", "num_easy", "num_kept", "num_rollouts")),
            str(row["num_trained"] or 0),
        )
    return table


def seconds_table(run: Run) -> Table:
    """Seconds of each stage in the last rounds; start-ups are in the first stage that needs them."""
    timed = query(run, "select round_index, stage, seconds from stages where current").to_pylist()
    seconds = {(row["stage"], row["round_index"]): row["seconds"] for row in timed}
    shown = sorted({row["round_index"] for row in timed})[-MAX_COLUMNS:]
    table = narrow("Seconds by stage")
    table.add_column("stage")
    for r in shown:
        table.add_column(f"round {r}", justify="right")
    for stage in SPECS:
        cells = (seconds.get((stage, r)) for r in shown)
        table.add_row(stage, *("" if cell is None else f"{cell:.1f}" for cell in cells))
    table.add_row("all", *(f"{sum(seconds.get((stage, r), 0.0) for stage in SPECS):.1f}" for r in shown))
    return table


def validation_lines(run: Run) -> list[str]:
    """Validation accuracy of each evaluated policy, with Wilson's 95 % interval; then by level, if there are levels.

    How much is right is whole, but for free text, whose accuracy is an F1: to two decimals.
    """
    sql = """
        select policy_version, sum(reward_accuracy) as correct, count(*) as samples
        from evaluations where temperature = 0 group by 1 order by 1
    """
    levels, lines = _level_lines(run), []
    for row in query(run, sql).to_pylist():
        low, high = wilson_interval(row["correct"], row["samples"])
        share, correct = row["correct"] / row["samples"], f"{row['correct']:.2f}".removesuffix(".00")
        lines.append(
            f"policy {row['policy_version']}: validation accuracy {share:.3f}, 95 % interval {low:.3f} to {high:.3f} "
            f"({correct} of {row['samples']})"
        )
        lines += levels.get(row["policy_version"], [])
    return lines


def _level_lines(run: Run) -> dict[int, list[str]]:
    """A line for each policy that was evaluated on a benchmark with levels."""
    shares: dict[int, list[str]] = {}
    for row in query(run, "from evaluation_levels where task_level is not null order by all").to_pylist():
        share = f"{row['task_level']} {row['accuracy']:.3f} of {row['num_samples']}"
        shares.setdefault(row["policy_version"], []).append(share)
    return {version: [f"  by level: {', '.join(found)}"] for version, found in shares.items()}


def replay_table(found: list[Comparison]) -> Table:
    """Loss and gradient norm of each optimiser step, logged and replayed, with their relative difference."""
    table = narrow("Training, logged and replayed")
    for name in ("step", "loss", "replayed", "difference", "grad\nnorm", "replayed", "difference"):
        table.add_column(name, justify="right")
    for step in dict.fromkeys(c.step for c in found):
        shown = [c for c in found if c.step == step and c.name in ("loss", "grad_norm")]
        cells = [(f"{c.logged:.6g}", f"{c.replayed:.6g}", f"{c.difference:.1e}") for c in shown]
        table.add_row(str(step), *(text for cell in cells for text in cell))
    return table


def narrow(title: str | None) -> Table:
    """A table that fits eighty columns."""
    return Table(title=title, box=box.SIMPLE_HEAD, padding=0, pad_edge=False)


def print_result(result: Any, console: Console) -> None:
    """A query's result, an Arrow table: as a table if it fits the terminal, else one value a line, row by row."""
    rows = [{name: _cell(value) for name, value in row.items()} for row in result.to_pylist()]
    widths = [max(map(len, [name, *(row[name] for row in rows)])) for name in result.column_names]
    if sum(widths) + 3 * len(widths) + 1 <= console.width:
        table = Table()
        for name in result.column_names:
            table.add_column(name)
        for row in rows:
            table.add_row(*map(escape, row.values()))
        console.print(table)
        return
    longest = max(map(len, result.column_names), default=0)
    for number, row in enumerate(rows):
        console.print(f"row {number}", style="bold", highlight=False)
        for name, value in row.items():
            console.print(f"  {name:<{longest}}  {value}", markup=False, highlight=False, soft_wrap=True)


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"
