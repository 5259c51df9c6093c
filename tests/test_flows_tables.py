"""What a run prints of itself."""

import re

from flows.tables import validation_lines
from storage.query import query
from storage.run import Run


def test_validation_accuracy_is_shown_for_each_policy_and_by_level(two_rounds):
    run = Run.open(str(two_rounds))
    lines = validation_lines(run)
    policies = [int(line.split()[1].rstrip(":")) for line in lines[::2]]
    assert policies == [0, 2]
    for policy, line in zip(policies, lines[1::2], strict=True):
        shown = re.findall(r"(L\d) ([\d.]+) of (\d+)", line)
        found = query(
            run,
            "select task_level, avg(reward_accuracy) as accuracy, count(*) as number from evaluations "
            f"where policy_version = {policy} group by all order by all",
        ).to_pylist()
        assert shown == [(row["task_level"], f"{row['accuracy']:.3f}", str(row["number"])) for row in found]
        assert [level for level, *_ in shown] == ["L1", "L2", "L3"]
