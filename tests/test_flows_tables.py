"""What a run prints of itself."""

import re
from dataclasses import replace

import pytest
from test_storage_query import do, empty_run, evaluation

from flows.report.rounds import ACCURACY
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


def test_fractions_of_free_text_are_not_rounded_away(tmp_path):
    run = empty_run(str(tmp_path))
    for r, scores in enumerate(((0.4, 1 / 3, 0.25), (1.0, 1.0, 0.0))):
        answers = [replace(evaluation(f"s{i}", s), round_index=r, policy_version=r) for i, s in enumerate(scores)]
        do(run, r, "evaluate", {"evaluations": answers})
    first, second = validation_lines(run)
    assert first.startswith("policy 0: validation accuracy 0.328, 95 % interval")
    assert first.endswith("(0.98 of 3)")
    assert second.endswith("(2 of 3)")
    drawn = query(run, ACCURACY.sql).to_pylist()
    assert [row["num_correct"] for row in drawn] == pytest.approx([0.4 + 1 / 3 + 0.25, 2.0])
