"""`deepvideo trace` and `deepvideo status` on a real run: what they print agrees with the tables."""

import shutil

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.config import RunConfig
from flows.session import open_session
from flows.stage_specs import state_of
from flows.stages import run_stage
from flows.status import status_table, summary
from flows.trace import UnknownSample, trace
from storage.lock import lock_holder, run_lock
from storage.query import query
from storage.run import Run


def printed(*arguments, code=0):
    """What the command prints on eighty columns."""
    result = CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "80"})
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


def ids(run, sql):
    return query(run, sql).column(0).to_pylist()


def test_a_trace_tells_every_round_group_reward_and_step(three_rounds):
    run = Run.open(str(three_rounds))
    hinted = ids(
        run,
        """select sample_id from augmentations a where kind = 'hint' and exists (
            from curated c where c.sample_id = a.sample_id and c.pass = 'augmented' and c.round_index = a.round_index)
        order by 1""",
    )[0]
    text = printed("trace", hinted, "--run-dir", three_rounds)
    assert max(map(len, text.splitlines())) <= 80
    life = trace(run, hinted)
    assert life.sample["question"].split()[0] in text
    for r in life.rounds:
        assert f"round {r}, policy {r}" in text
    for row in life.rows["groups"]:
        assert f"rewards {' '.join(f'{x:.2f}' for x in row['rewards'])}  mean {row['mean_reward']:.3f}" in text
    for row in life.rows["trained"]:
        assert f"{row['policy_logp'] - row['old_logp']:+.4f}" in text
        assert f"{row['advantage']:+.3f}" in text
    flat = " ".join(text.split())
    assert any(f'"{row["hint"]}"' in flat for row in life.rows["augmentations"])
    assert "against control" in flat


def test_a_trace_tells_noise_what_was_dropped_and_why_nothing_was_done(three_rounds):
    run = Run.open(str(three_rounds))
    noised = query(run, "select sample_id, noise_sigma from augmentations where kind = 'noise'").to_pylist()[0]
    assert f"sigma {noised['noise_sigma']:.1f} (realised" in printed(
        "trace", noised["sample_id"], "--run-dir", three_rounds
    )
    dropped = ids(run, "select sample_id from dropped where reason = 'equal_rewards'")[0]
    assert "in curate: equal_rewards" in printed("trace", dropped, "--run-dir", three_rounds)
    undone = query(run, "select sample_id, reason from augmentations where kind = 'none'").to_pylist()
    for row in undone[:1]:
        assert "nothing: " in printed("trace", row["sample_id"], "--run-dir", three_rounds)


def test_a_validation_sample_shows_the_answer_of_each_policy(three_rounds):
    text = printed("trace", "shapes-validation-00001", "--run-dir", three_rounds)
    assert trace(Run.open(str(three_rounds)), "shapes-validation-00001").rounds == []
    rows = query(
        Run.open(str(three_rounds)),
        "select predicted_answer as a from evaluations where sample_id = 'shapes-validation-00001'",
    ).to_pylist()
    assert len(rows) == 2
    assert all(str(row["a"] or "-") in text.split("evaluations")[1] for row in rows)


def test_a_name_that_is_no_sample_or_several_is_refused_with_the_nearest(three_rounds):
    run = Run.open(str(three_rounds))
    with pytest.raises(UnknownSample, match=r"the nearest are shapes-train-00015"):
        trace(run, "shapes-trian-00015")
    with pytest.raises(UnknownSample, match="24 samples begin so"):
        trace(run, "shapes-t")
    quote = "it's; drop"
    with pytest.raises(UnknownSample, match="no such sample"):
        trace(run, quote)


def test_status_says_what_is_done_and_what_comes_next(three_rounds, tmp_path, small_config, console):
    text = printed("status", "--run-dir", three_rounds)
    assert "3 of 3 rounds complete; nothing is left to do" in text
    assert max(map(len, text.splitlines())) <= 80
    shutil.copytree(three_rounds, tmp_path / "run")
    more = small_config.model_copy(update={"rounds": 5})
    with open_session(str(tmp_path / "run"), more, console) as session:
        run_stage(session, "select", 3)
        assert "3 of 5 rounds complete; next: rollout of round 3" in summary(session.run, more)
        assert lock_holder(session.run.files)["pid"] > 0
        assert any(line.startswith("at work now: process") for line in summary(session.run, more))
    assert lock_holder(session.run.files) is None
    with run_lock(session.run.files):  # asking who holds it has not taken it
        pass
    assert "next: rollout of round 3" in printed("status", "--run-dir", tmp_path / "run")


def test_a_failure_under_other_settings_says_nothing_about_todays(three_rounds, tmp_path, small_config, console):
    """The stage failed as it was set then; with other settings it has not been tried."""
    shutil.copytree(three_rounds, tmp_path / "run")
    three = small_config.model_copy(update={"rounds": 3})
    other = three.model_copy(update={"rollout": three.rollout.model_copy(update={"temperature": 0.5})})
    with open_session(str(tmp_path / "run"), other, console, accept_changes=True) as session:
        run = session.run
        known = {name: run.ledger.digest(name) for name in ("00000/select", "initial_policy")}
        attempt = run.attempt("00000/rollout", known)
        attempt.write(0, {"dropped": []})
        attempt.fail("EngineError: out of memory")
    text = printed("status", "--run-dir", tmp_path / "run")
    assert "00000/rollout failed: EngineError: out of memory; 1 shard committed so far" in text
    third = three.model_copy(update={"rollout": three.rollout.model_copy(update={"temperature": 0.6})})
    with open_session(str(tmp_path / "run"), third, console, accept_changes=True) as session:
        assert state_of(session.run, third, "00000/rollout") == ("stale", "")
    text = printed("status", "--run-dir", tmp_path / "run")
    assert "out of memory" not in text
    assert "0 of 3 rounds complete; next: rollout of round 0" in text


def test_status_has_a_row_for_each_round_and_one_for_the_last_evaluation(three_rounds):
    run = Run.open(str(three_rounds))
    table, notes = status_table(run, RunConfig.model_validate(run.settings.config))
    assert (table.row_count, notes) == (4, [])
