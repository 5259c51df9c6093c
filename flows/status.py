"""The state of a run at a glance: rounds x stages, what failed, who works on it, what comes next."""

from __future__ import annotations

from rich.table import Table

from flows.config import RunConfig
from flows.stage_specs import SPECS, key_of, schedule, state_of
from flows.tables import narrow
from storage.layout import address
from storage.lock import lock_holder
from storage.run import Run
from storage.staleness import State

STYLES = {"done": "green", "stale": "yellow", "failed": "bold red", "unfinished": "yellow", "missing": "dim"}
DETAILED_ROUNDS = 4
MAX_REASON = 300


def status_table(run: Run, config: RunConfig) -> tuple[Table, list[str]]:
    """Rounds x stages with state, rows and seconds, and a line for each stage that is in the way.

    Only the last rounds with something done have rows and seconds; a run of complete rounds before them is one line.
    """
    table = narrow(f"run {run.identity.run_id}")
    table.add_column("round", justify="right", no_wrap=True)
    for stage in SPECS:
        table.add_column(stage.replace("rollout_", "rollout_\n"), no_wrap=True)
    planned = {*schedule(config)}
    shown = {*planned, *((place[6:], int(place[:5])) for place in run.ledger.addresses())}
    states = {(s, r): state_of(run, config, address(r, s)) for s, r in shown}
    rounds = sorted({r for _, r in shown})
    whole = [r for r in rounds if all(state == "done" for (_, q), (state, _) in states.items() if q == r)]
    begun = [r for r in rounds if any(state != "missing" for (_, q), (state, _) in states.items() if q == r)]
    detailed = begun[-DETAILED_ROUNDS:]
    folded = [r for r in rounds if r in whole and rounds[: rounds.index(r) + 1] == whole[: whole.index(r) + 1]]
    folded = [r for r in folded if r not in detailed]
    if len(folded) > 1:
        done = f"[{STYLES['done']}]done[/]"
        table.add_row(f"{folded[0]}-{folded[-1]}", *(done if (s, folded[0]) in shown else "" for s in SPECS))
    else:
        folded = []
    notes = []
    for r in (r for r in rounds if r not in folded):
        cells = [_cell(run, config, s, r, states.get((s, r)), detail=r in detailed) for s in SPECS]
        table.add_row(str(r), *cells)
        for s in SPECS:
            state, reason = states.get((s, r), ("done", ""))
            if state in ("failed", "unfinished"):
                shards = run.ledger.committed_shards(address(r, s), key_of(run, config, address(r, s)))
                so_far = f"{_shards(shards)} committed so far" if shards else "nothing committed yet"
                notes.append(f"{address(r, s)} {state}: {_short(reason) + '; ' if reason else ''}{so_far}")
    table.caption = "state, rows, seconds"
    return table, notes


def summary(run: Run, config: RunConfig) -> list[str]:
    """How many rounds are complete, what `run` would do next, and who is at it."""
    left = [(s, r) for s, r in schedule(config) if run.ledger.current(address(r, s)) is None]
    rounds = sum(not any(r == q for _, q in left) for r in range(config.rounds))
    next_stage = f"next: {left[0][0]} of round {left[0][1]}" if left else "nothing is left to do"
    holder = lock_holder(run.files)
    lines = [f"{rounds} of {config.rounds} rounds complete; {next_stage}"]
    if holder:
        lines.append(f"at work now: process {holder['pid']} on {holder['host']}")
    return lines


def _cell(run: Run, config: RunConfig, stage: str, r: int, found: tuple[State, str] | None, *, detail: bool) -> str:
    if found is None:
        return ""
    text = f"[{STYLES[found[0]]}]{found[0]}[/]"
    if not detail:
        return text
    manifest = run.ledger.current(address(r, stage))
    if manifest is not None:
        return f"{text}\n[dim]{manifest.num_rows}\n{manifest.info['seconds']:.1f} s[/]"
    shards = run.ledger.committed_shards(address(r, stage), key_of(run, config, address(r, stage)))
    return f"{text}\n[dim]{_shards(shards)}[/]" if shards else text


def _shards(number: int) -> str:
    return f"{number} shard" if number == 1 else f"{number} shards"


def _short(reason: str) -> str:
    return reason if len(reason) <= MAX_REASON else f"{reason[:MAX_REASON]}..."
