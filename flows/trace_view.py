"""How a sample's life looks in a terminal, eighty columns wide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from flows.alteration_text import alteration_text
from flows.tables import narrow
from flows.trace import Life, Row

WIDTH = 80
LABEL_STYLES = {"hard": "red", "easy": "green", "kept": "dim"}
REASONS = {
    "no_correct_trace": "no trace had the right answer",
    "no_frame_to_mask": "its level, its one frame or its lack of a video leaves none to mask",
    "share": "others of the round were harder or easier, and augment.max_share left no room",
}
MAX_STEPS = 4


def print_life(life: Life, console: Console) -> None:
    """Prints the sample, then each round in which it was selected, then its evaluations."""
    console.width = min(console.width, WIDTH)
    _sample(life.sample, console)
    for r in life.rounds:
        position = life.of_round("selected", r)[0]["position"]
        policy = next((f", policy {row['policy_version']}" for row in life.of_round("groups", r)), "")
        console.print()
        console.rule(f"[bold]round {r}[/]{policy}, place {position}", align="left", style="dim")
        for name, text in _lines(life, r):
            _line(name, text, console)
        _training(life.of_round("trained", r), console)
    if not life.rounds and not life.rows["evaluations"]:
        console.print("\nneither selected for a round nor evaluated so far")
    if life.rows["evaluations"]:
        _evaluations(life.rows["evaluations"], console)


def _sample(sample: Row, console: Console) -> None:
    console.print(
        f"[bold]{escape(sample['sample_id'])}[/]  {sample['split']}, {sample['problem_type']}", highlight=False
    )
    _line("question", escape(sample["question"]), console)
    for letter, option in zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", sample["options"], strict=False):
        _line("", f"{letter}. {escape(option)}", console)
    _line("answer", f"[bold]{escape(sample['answer'])}[/]", console)
    for name in ("video", "image"):
        if sample[f"{name}_path"] is not None:
            _line(name, escape(sample[f"{name}_path"]), console)


def _lines(life: Life, r: int) -> Iterator[tuple[str, str]]:
    for row in life.of_round("groups", r):
        rewards = " ".join(f"{reward:.2f}" for reward in row["rewards"])
        yield row["pass"], f"rewards {rewards}  [bold]mean {row['mean_reward']:.3f}[/]"
        yield "", f"[dim]answers {escape(' '.join(row['answers']))}[/]"
    for row in life.of_round("difficulty", r):
        label = f"[{LABEL_STYLES[row['label']]}]{row['label']}[/]"
        window = "no earlier groups to compare with"
        if row["window_reward"] is not None:
            reference = f"window {row['window_reward']:.3f} ({row['window_groups']} groups)"
            if not row["window_groups"]:
                reference = f"constant {row['window_reward']:.3f}"
            window = f"{reference} - own {row['mean_reward']:.3f}"
        yield "difficulty", f"[bold]{row['difficulty']:+.3f}[/] {label}, level {row['level']:.2f}; {window}"
    yield "augment", _augmentation(life, r)
    for row in life.of_round("dropped", r):
        yield "dropped", f"[yellow]in {row['stage']}: {row['reason']}[/]; {escape(row['detail'])}"


def _augmentation(life: Life, r: int) -> str:
    rows = life.of_round("augmentations", r)
    if not rows:
        labels = [row["label"] for row in life.of_round("difficulty", r)]
        return "nothing: its difficulty is near zero" if labels == ["kept"] else "nothing"
    row = rows[0]
    if row["kind"] == "none":
        return f"nothing: {REASONS.get(row['reason'], escape(row['reason']))}"
    if row["kind"] != "hint":
        what = alteration_text(row)
    else:
        what = f'hint, level {row["level"]:.2f}, {row["hint_fraction"]:.0%} of the trace: "{escape(row["hint"])}"'
    if row["effect"] is None:
        return f"{what}; effect not measured (no control group)"
    return f"{what}; effect [bold]{row['effect']:+.3f}[/] against control"


def _training(rows: list[Row], console: Console) -> None:
    if not rows:
        return
    steps = sorted({row["step"] for row in rows})
    shown = steps if len(steps) <= MAX_STEPS else [steps[0], *steps[-MAX_STEPS + 1 :]]
    by_place: dict[tuple[str, int], dict[int, Row]] = {}
    for row in rows:
        by_place.setdefault((row["pass"], row["rollout_index"]), {})[row["step"]] = row
    passes = sorted({row["pass"] for row in rows}, reverse=True)  # two in a group that is half clean, half noisy
    group, place = " and ".join(passes), rows[0]["position"]
    _line("trained", f"{group} group, place {place}, steps {', '.join(map(str, steps))}", console)
    table = narrow(None)
    for name in (
        "response",
        "answer",
        "reward",
        "advantage",
        "old\nlog-prob",
        *(f"change at\nstep {s}" for s in shown),
    ):
        table.add_column(name, justify="left" if name == "answer" else "right", no_wrap=name != "answer")
    for (name, index), cells in sorted(by_place.items(), key=lambda item: (passes.index(item[0][0]), item[0][1])):
        row = cells[steps[0]]
        values = [f"{row['reward']:.2f}", f"{row['advantage']:+.3f}", f"{row['old_logp']:.3f}"]
        changes = [f"{cells[s]['policy_logp'] - cells[s]['old_logp']:+.4f}" if s in cells else "" for s in shown]
        table.add_row(str(index) if len(passes) == 1 else f"{name} {index}", escape(row["answer"]), *values, *changes)
    console.print(Padding(table, (0, 0, 0, 2)))


def _evaluations(rows: list[Row], console: Console) -> None:
    console.print()
    console.rule("[bold]evaluations[/]", align="left", style="dim")
    table = narrow(None)
    for name in ("policy", "answer", "right", "reward", "ended by"):
        table.add_column(name, justify="right" if name in ("policy", "reward") else "left")
    for row in rows:
        right = "[green]yes[/]" if row["reward_accuracy"] >= 1 else "[red]no[/]"
        answer = escape(row["predicted_answer"] or "-")
        table.add_row(str(row["policy_version"]), answer, right, f"{row['reward']:.2f}", row["finish_reason"])
    console.print(Padding(table, (0, 0, 0, 2)))


def _line(name: str, text: str, console: Console) -> None:
    grid: Any = Table.grid(padding=(0, 1), expand=False)
    grid.add_column(width=12, no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(f"  {name}", style="cyan"), text)
    console.print(grid, highlight=False)
