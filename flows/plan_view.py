"""A plan in a terminal of eighty columns: rounds x stages, what is left to do with its total, and how it was told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from flows.amounts import Amounts, prompt_tokens
from flows.plan import Plan
from flows.stage_specs import SPECS
from flows.tables import narrow
from storage.staleness import State

T = TypeVar("T")
WORDS: dict[State | None, str] = {
    "done": "[green]reuse[/]",
    "missing": "do",
    "stale": "[yellow]redo[/]",
    "failed": "[bold red]retry[/]",
    "unfinished": "[yellow]resume[/]",
    None: "",
}
COLUMNS = ("samples", "original", "augmented\n+ control", "guided\ntraces", "vali-\ndation", "tokens", "steps")


def print_plan(plan: Plan, url: str, console: Console) -> None:
    """Prints the plan; nothing else is done."""
    console.print(f"{url}: {'a new run' if plan.is_new else 'continues a run'}; nothing is written (--dry-run)")
    console.print(_stages(plan))
    if plan.made_stale:
        console.print(
            f"changed settings make {len(plan.made_stale)} completed stages stale ({', '.join(plan.made_stale)}): "
            "`run` needs --accept-changes"
        )
    left = [(r, amounts) for r in plan.rounds if (amounts := plan.amounts(r)) != Amounts()]
    if all(state == "done" for state in plan.states.values()):
        console.print("nothing is left to do")
        return
    total = sum((amounts for _, amounts in left), Amounts())
    console.print(_amounts(left, total))
    each = prompt_tokens(plan.config, plan.video_share, plan.image_share)
    for line in (
        "Upper bounds; tokens: responses x max_new_tokens. 1-2, or 1 (x66) for 66 rounds like round 1: each one's.",
        f"prompts: {total.prompts}, about {each} tokens each (estimate), {number(total.prompts * each)} in all",
        f"checkpoints: {decimal(plan.size.bytes)} a round, optimiser state included, from the policy's size; "
        "tables and altered videos are estimates",
    ):
        console.print(line, highlight=False)


def _stages(plan: Plan) -> Table:
    table = narrow("What is done")
    table.add_column("round", justify="right", no_wrap=True)
    for stage in SPECS:
        table.add_column(stage.replace("rollout_", "rollout_\n"), no_wrap=True)
    rows = [(r, [plan.states.get((stage, r)) for stage in SPECS]) for r in plan.rounds]
    for name, states in folded(rows):
        table.add_row(name, *(WORDS[state] for state in states))
    return table


def _amounts(left: list[tuple[int, Amounts]], total: Amounts) -> Table:
    table = narrow("How much is left to do, at most")
    for name in ("round", *COLUMNS, "check-\npoints", "tables,\nvideos"):
        table.add_column(name, justify="right", no_wrap=True)
    rows = folded(left)
    for i, (name, amounts) in enumerate(rows):
        table.add_row(name, *_cells(amounts), end_section=i == len(rows) - 1)
    table.add_row("all", *_cells(total))
    return table


def _cells(a: Amounts) -> list[str]:
    counts = (a.samples, a.original, a.augmented, a.traces, a.validation, a.tokens, a.steps)
    sizes = (a.checkpoint_bytes, a.other_bytes)
    return [*(number(count) if count else "" for count in counts), *(decimal(size) if size else "" for size in sizes)]


def number(count: int) -> str:
    """A count in at most seven characters: 99999, 1.23 M, 123.4 G."""
    for unit, name in ((10**12, "T"), (10**9, "G"), (10**6, "M")):
        if count >= unit:
            return f"{count / unit:.2f} {name}" if count < 100 * unit else f"{count / unit:.1f} {name}"
    return str(count) if count < 10**5 else f"{count / 1000:.1f} k"


def folded(rows: Iterable[tuple[int, T]]) -> list[tuple[str, T]]:
    """Rounds with equal rows as one: `1-2` if they follow each other, else the first and how many, `1 (x66)`."""
    found: list[tuple[list[int], T]] = []
    for r, value in rows:
        alike = next((rounds for rounds, known in found if known == value), None)
        if alike is None:
            found.append(([r], value))
        else:
            alike.append(r)
    return [(_name(rounds), value) for rounds, value in found]


def _name(rounds: list[int]) -> str:
    if len(rounds) == 1:
        return str(rounds[0])
    in_a_row = rounds[-1] - rounds[0] == len(rounds) - 1
    return f"{rounds[0]}-{rounds[-1]}" if in_a_row else f"{rounds[0]} (x{len(rounds)})"
