"""What a reader wants to read: hints with their hidden part, the best and the worst groups with their responses."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from stages.hint import reasoning
from storage.query import query
from storage.run import Run

HINTS_SQL = """
select a.round_index, a.sample_id, a.level, a.hint, a.hint_fraction, a.effect, s.question, s.answer, t.response
from augmentations a join samples s using (sample_id)
join hint_traces t on t.round_index = a.round_index and t.sample_id = a.sample_id and t.chosen
where a.kind = 'hint'
order by a.round_index desc, a.level desc, a.sample_id limit 6"""
HINT_COUNTS_SQL = "from hints"
GROUPS_SQL = """
with ranked as (
    select *, row_number() over (order by normalised_reward desc, group_index) as best,
        row_number() over (order by normalised_reward, group_index) as worst
    from groups where pass = 'original' and round_index = (select max(round_index) from groups)
)
select r.group_id, r.sample_id, r.round_index, r.mean_reward, r.best <= r.worst as is_best,
    s.question, s.options, s.answer, o.reward, o.predicted_answer, o.response
from ranked r join samples s using (sample_id) join rollouts o using (group_id)
where r.best <= 2 or r.worst <= 2
order by r.best, o.rollout_index"""


@dataclass(frozen=True)
class ShownHint:
    """A hint beside its question: the words of the chosen trace that the model was shown, and those it was not."""

    row: dict[str, Any]
    revealed: str
    hidden: str


def hints(run: Run) -> list[ShownHint]:
    """The latest hints, the strongest first."""
    found = []
    for row in query(run, HINTS_SQL).to_pylist():
        words = reasoning(row["response"]).split()
        shown = len(row["hint"].split())
        found.append(ShownHint(row, " ".join(words[:shown]), " ".join(words[shown:])))
    return found


def groups(run: Run) -> list[list[dict[str, Any]]]:
    """The two best and the two worst groups of the latest round, each as its rollouts."""
    rows = query(run, GROUPS_SQL).to_pylist()
    return [list(group) for _, group in itertools.groupby(rows, key=lambda row: row["group_id"])]
