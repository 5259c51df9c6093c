"""One sample's life over the rounds of a run, gathered from the views; `flows/trace_view.py` prints it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from storage.query import query
from storage.run import Run

Row = dict[str, Any]
NUM_NEAREST = 5

TABLES = {
    "selected": "from selected where sample_id = {id}",
    "difficulty": "from difficulty where sample_id = {id}",
    "augmentations": "from augmentations where sample_id = {id}",
    "dropped": "from dropped where sample_id = {id}",
    "evaluations": "from evaluations where sample_id = {id} and temperature = 0 order by policy_version",
    "groups": """
        select round_index, pass, any_value(policy_version) as policy_version, avg(reward) as mean_reward,
            list(reward order by rollout_index) as rewards,
            list(coalesce(predicted_answer, '-') order by rollout_index) as answers
        from rollouts where sample_id = {id} group by round_index, pass
        order by round_index, list_position(['original', 'control', 'augmented'], pass)
    """,
    "trained": """
        select t.round_index, t.step, t.rollout_index, t.advantage, t.old_logp, t.policy_logp, c.pass, c.reward,
            coalesce(c.predicted_answer, '-') as answer, c.position
        from train_rollouts t join curated c using (round_index, group_id, rollout_index)
        where c.sample_id = {id} order by t.round_index, t.step, t.rollout_index
    """,
}


class UnknownSample(Exception):
    """No sample, or more than one, has that name; the message names the nearest."""


@dataclass(frozen=True)
class Life:
    """A sample and, by table, every row about it."""

    sample: Row
    rows: dict[str, list[Row]]

    def of_round(self, table: str, round_index: int) -> list[Row]:
        """The rows of one table in one round."""
        return [row for row in self.rows[table] if row["round_index"] == round_index]

    @property
    def rounds(self) -> list[int]:
        """The rounds in which the sample was selected."""
        return sorted({row["round_index"] for row in self.rows["selected"]})


def trace(run: Run, name: str) -> Life:
    """The life of the sample called `name`, or of the only one whose id begins so; UnknownSample for others."""
    ids = query(run, "select sample_id from samples order by 1").column(0).to_pylist()
    found = [name] if name in ids else [sample_id for sample_id in ids if sample_id.startswith(name)]
    if not found:
        nearest = difflib.get_close_matches(name, ids, n=NUM_NEAREST, cutoff=0.3) or ids[:NUM_NEAREST]
        raise UnknownSample(f"{name}: no such sample; the nearest are {', '.join(nearest)}")
    if len(found) > 1:
        more = ", ..." if len(found) > NUM_NEAREST else ""
        raise UnknownSample(
            f"{name}: {len(found)} samples begin so ({', '.join(found[:NUM_NEAREST])}{more}); give more of the id"
        )
    quoted = "'" + found[0].replace("'", "''") + "'"
    sample = query(run, f"from samples where sample_id = {quoted}").to_pylist()[0]
    return Life(sample, {table: query(run, sql.format(id=quoted)).to_pylist() for table, sql in TABLES.items()})
