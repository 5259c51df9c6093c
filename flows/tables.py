"""What a run looks like in a terminal: the table of rounds, the table of stages, any query's result."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from flows.stage_specs import SPECS
from stages.evaluate import wilson_interval
from storage.layout import address
from storage.query import query
from storage.run import Run

STATE_STYLES = {"done": "green", "stale": "yellow", "failed": "red", "unfinished": "yellow", "missing": "dim"}


def rounds_table(run: Run) -> Table:
    """One row a round: reward, vanishing ratio before and after augmentation, labels, rows."""
    table = Table(title="Rounds")
    table.add_column("round", justify="right")
    for name in ("mean\nreward", "accuracy", "vanishing\nbefore", "vanishing\nafter"):
        table.add_column(name, justify="right")
    for name in ("hard / easy\n/ kept", "rollouts", "groups\ntrained"):
        table.add_column(name, justify="right")
    for row in query(run, "from rounds").to_pylist():
        table.add_row(
            str(row["round_index"]),
            f"{row['mean_reward']:.3f}",
            f"{row['accuracy']:.3f}",
            _share(row["vanishing_before"]),
            _share(row["vanishing_after"]),
            f"{row['num_hard']} / {row['num_easy']} / {row['num_kept']}",
            str(row["num_rollouts"]),
            str(row["num_trained"] or 0),
        )
    return table


def seconds_table(run: Run) -> Table:
    """Seconds of each stage in each round, and their sum."""
    table = Table(title="Seconds")
    table.add_column("round", justify="right")
    for stage in (*SPECS, "all"):
        table.add_column(stage.replace("_", "_\n"), justify="right")
    timed = query(run, "select round_index, stage, seconds from stages where current").to_pylist()
    seconds = {(row["round_index"], row["stage"]): row["seconds"] for row in timed}
    for r in sorted({row["round_index"] for row in timed}):
        cells = [seconds.get((r, stage)) for stage in SPECS]
        total = sum(cell for cell in cells if cell is not None)
        table.add_row(str(r), *("" if cell is None else f"{cell:.1f}" for cell in cells), f"{total:.1f}")
    return table


def validation_lines(run: Run) -> list[str]:
    """Validation accuracy of each evaluated policy, with Wilson's 95 % interval."""
    sql = """
        select policy_version, sum(reward_accuracy)::bigint as correct, count(*) as samples
        from evaluations group by 1 order by 1
    """
    lines = []
    for row in query(run, sql).to_pylist():
        low, high = wilson_interval(row["correct"], row["samples"])
        share = row["correct"] / row["samples"]
        lines.append(
            f"policy {row['policy_version']}: validation accuracy {share:.3f}, 95 % interval {low:.3f} to {high:.3f} "
            f"({row['correct']} of {row['samples']})"
        )
    return lines


def status_table(run: Run, num_rounds: int) -> tuple[Table, list[str]]:
    """Rounds x stages with state, rows and seconds; and a line for each failure, with its reason."""
    table = Table(title=f"{run.files.url}: run {run.identity.run_id}")
    table.add_column("round", justify="right")
    for stage in SPECS:
        table.add_column(stage)
    failures = []
    seen = [int(place.split("/")[0]) for place in run.ledger.addresses()]
    for r in range(max([num_rounds, *seen]) + 1):
        cells = []
        for stage in SPECS:
            if r >= num_rounds and stage != "evaluate" and address(r, stage) not in run.ledger.addresses():
                cells.append("")
                continue
            state, reason = run.ledger.state(address(r, stage))
            style, manifest = STATE_STYLES[state], run.ledger.current(address(r, stage))
            detail = ""
            if manifest is not None:
                rows = sum(part["rows"] for shard in manifest.shards for part in shard.values())
                detail = f"\n{rows} rows, {manifest.info['seconds']:.1f} s"
            cells.append(f"[{style}]{state}[/]{detail}")
            if reason:
                failures.append(f"{address(r, stage)} failed: {reason}")
        table.add_row(str(r), *cells)
    return table, failures


def result_table(result: Any) -> Table:
    """A query's result, an Arrow table; floats to three decimals, long values cut by the terminal's width."""
    table = Table()
    for name in result.column_names:
        table.add_column(name, overflow="fold")
    for row in result.to_pylist():
        table.add_row(*(_cell(value) for value in row.values()))
    return table


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"
