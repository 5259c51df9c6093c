"""The whole loop with the paper's ablations and the NoisyRollout mix switched on, and rewards that cannot be stored."""

import numpy as np
import pytest
from conftest import call
from small_run import SMALL, complete_in_child

from flows.config import load_config
from flows.session import open_session
from flows.stages import run_stage
from flows.trace import trace
from storage.query import query
from storage.run import Run

ABLATIONS = [
    *SMALL,
    "difficulty.reference=absolute",
    "difficulty.absolute_reward=0.3",
    "difficulty.window_unit=rounds",
    "difficulty.window_size=1",
    "difficulty.scaling=fixed",
    "difficulty.fixed_level=0.3",
    "augment.max_share=0.25",
    "augment.decreasing=off",
    "curate.noisy_rollout=true",
    "rewards.format_weight=0.25",
    "rewards.iou_weight=4.0",
]
MAXIMA = {"temporal_grounding": 5.25}
"""The sum of the weights that apply, by problem type; 1.25 for the others."""


@pytest.fixture(scope="module")
def ablations(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablations") / "run"
    complete_in_child(folder, load_config("tiny", ABLATIONS))
    return folder


@pytest.fixture(scope="module")
def ask(ablations):
    run = Run.open(str(ablations))
    return lambda sql: query(run, sql).to_pylist()


def test_the_first_round_is_compared_with_the_constant_and_augmented(ask):
    rows = ask("from difficulty")
    assert len(rows) == 20
    for row in rows:
        assert (row["window_reward"], row["window_groups"]) == (0.3, 0)
        assert row["difficulty"] == pytest.approx(0.3 - row["mean_reward"])
        assert row["level"] == 0.3
        assert row["label"] == ("hard" if row["difficulty"] > 0 else "easy")
    assert {row["round_index"] for row in ask("from augmentations where kind = 'noise'")} == {0, 1}


def test_no_round_depends_on_an_earlier_ones_rollouts(ablations):
    manifest = Run.open(str(ablations)).ledger.current("00001/difficulty")
    assert list(manifest.inputs) == ["00001/rollout"]


def test_difficulty_has_rewards_divided_by_the_weights_that_apply(ask):
    rewards = {}
    for row in ask("from rollouts where pass = 'original'"):
        parts = 0.25 * row["reward_format"] + row["reward_accuracy"] + 4.0 * (row["reward_iou"] or 0.0)
        assert row["reward"] == pytest.approx(parts)
        share = parts / MAXIMA.get(row["problem_type"], 1.25)
        rewards.setdefault((row["round_index"], row["sample_id"]), []).append(share)
    assert "temporal_grounding" in {row["problem_type"] for row in ask("from rollouts")}
    for table, column in (("difficulty", "mean_reward"), ("groups where pass = 'original'", "normalised_reward")):
        for row in ask(f"from {table}"):
            found = rewards[row["round_index"], row["sample_id"]]
            assert row[column] == pytest.approx(sum(found) / len(found))
            assert 0 <= row[column] <= 1


def test_a_quarter_of_the_samples_is_augmented_the_easiest_first_and_the_rest_is_told(ask):
    for r in (0, 1):
        rows = ask(f"""
            select a.kind, a.reason, a.control, abs(d.difficulty) as size, d.group_index
            from augmentations a join difficulty d using (round_index, sample_id)
            where round_index = {r} order by size desc, group_index""")
        assert [row["kind"] for row in rows[:2]] == ["noise", "noise"]  # of 10 samples
        assert len(rows) > 2
        assert {(row["kind"], row["reason"], row["control"]) for row in rows[2:]} == {("none", "share", False)}
        assert (
            len(rows) == ask(f"select count(*) as n from difficulty where label = 'easy' and round_index = {r}")[0]["n"]
        )


def test_noised_samples_train_on_half_clean_half_noisy_groups_of_clean_input(ask):
    groups = {}
    for row in ask("from curated order by round_index, position, pass desc, rollout_index"):
        groups.setdefault((row["round_index"], row["position"]), []).append(row)
    mixed = [group for group in groups.values() if {row["pass"] for row in group} == {"original", "augmented"}]
    assert mixed
    for group in mixed:
        clean = ask(f"from rollouts where group_id = '{group[0]['group_id']}'")[0]
        assert [(row["pass"], row["rollout_index"]) for row in group] == [
            ("original", 0), ("original", 1), ("augmented", 0), ("augmented", 1),
        ]  # fmt: skip
        for name in ("sample_id", "prompt", "prompt_token_ids", "video_path", "video_sha256", "frame_indices"):
            assert all(row[name] == clean[name] for row in group), name
    assert all({row["augmentation"] for row in group} == {"none"} for group in groups.values() if group not in mixed)


def test_every_trained_rollout_is_found_where_it_was_sampled(ask):
    rows = ask("""
        select t.round_index, t.step, t.group_id, t.rollout_index, c.response as trained, r.response as sampled,
            c.reward = r.reward as same, r.pass
        from train_rollouts t
        left join rollouts r using (round_index, group_id, rollout_index)
        left join curated c using (round_index, group_id, rollout_index)""")
    places = [(row["round_index"], row["step"], row["group_id"], row["rollout_index"]) for row in rows]
    assert len(set(places)) == len(places) == ask("select count(*) as n from train_rollouts")[0]["n"]
    assert all(row["trained"] == row["sampled"] and row["same"] for row in rows)
    assert "augmented" in {row["pass"] for row in rows}


def test_advantages_are_over_the_mixed_group(ask):
    rows = ask("""
        select c.round_index, c.position, t.step, sum(t.advantage) as total, sum(t.advantage ** 2) / count(*) as var,
            count(*) as size
        from train_rollouts t join curated c using (round_index, group_id, rollout_index)
        group by c.round_index, c.position, t.step having count(distinct c.pass) = 2""")
    assert rows
    for row in rows:
        assert (row["size"], row["total"], row["var"]) == (4, pytest.approx(0, abs=1e-5), pytest.approx(1, abs=1e-5))


def test_the_engine_mismatch_is_of_responses_sampled_on_the_input_they_are_trained_on(ask):
    rows = ask("""
        select s.round_index, s.step, s.engine_mismatch_mean as mean, s.engine_mismatch_max as most,
            c.engine_logprobs, o.old_logps, c.pass, count(distinct c.pass) over (partition by c.round_index, c.position,
            s.step) = 2 as mixed
        from train_steps s join train_rollouts t using (round_index, step)
        join curated c using (round_index, group_id, rollout_index)
        join old_logprobs o using (round_index, group_id, rollout_index)""")
    steps = {}
    for row in rows:
        if not (row["mixed"] and row["pass"] == "augmented"):
            found = np.abs(np.subtract(row["engine_logprobs"], row["old_logps"], dtype=np.float32))
            steps.setdefault((row["round_index"], row["step"], row["mean"], row["most"]), []).append(found)
    assert len(steps) == ask("select count(*) as n from train_steps")[0]["n"]
    for (_, _, mean, most), found in steps.items():
        assert mean == pytest.approx(np.concatenate(found).mean(), rel=1e-5)
        assert most == pytest.approx(np.concatenate(found).max(), rel=1e-5)


def test_rounds_count_the_mixed_groups_once(ask):
    for row in ask("from rounds"):
        r = row["round_index"]
        positions = ask(f"select count(distinct position) as n from curated where round_index = {r}")[0]["n"]
        equal = ask(f"select count(*) as n from dropped where stage = 'curate' and round_index = {r}")[0]["n"]
        assert positions + equal == row["num_groups"] == 10
        assert row["num_trained"] == positions
        assert row["vanishing_after"] == pytest.approx(equal / 10)


def test_a_trace_shows_both_halves_and_the_constant(capfd, ablations, ask):
    sql = "select sample_id, round_index from curated where augmentation = 'noise' order by all limit 1"
    (mixed,) = ask(sql)
    code, out, _ = call(capfd, "trace", mixed["sample_id"], "--run-dir", ablations)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "original and augmented group" in out
    assert "constant 0.300 - own" in " ".join(out.split())
    for row in trace(Run.open(str(ablations)), mixed["sample_id"]).rows["trained"]:
        assert f"{row['advantage']:+.3f}" in out
    assert all(f"{name} {i} " in out for name in ("original", "augmented") for i in (0, 1))
    (beyond,) = ask("select sample_id from augmentations where reason = 'share' order by all limit 1")
    assert "augment.max_share" in call(capfd, "trace", beyond["sample_id"], "--run-dir", ablations)[1]


def test_a_round_with_mixed_groups_is_replayed_verified_and_reported(capfd, ablations):
    code, out, _ = call(capfd, "replay", "--round", 1, "--step", 1, "--run-dir", ablations)
    assert code == 0, out
    assert call(capfd, "verify", "--run-dir", ablations)[0] == 0
    assert call(capfd, "report", "--run-dir", ablations)[0] == 0


def test_a_reward_that_overflows_stops_its_stage_and_names_the_sample(tmp_path, console):
    """The weights are finite, their sum is not."""
    config = load_config("tiny", [*SMALL, "rewards.format_weight=1e308", "rewards.accuracy_weight=1e308"])
    with open_session(str(tmp_path / "run"), config, console) as session:
        run_stage(session, "select", 0)
        with pytest.raises(ValueError, match=r"^sample shapes-train-\d+: (max_)?reward is inf; it must be finite"):
            run_stage(session, "rollout", 0)
        assert session.run.ledger.current("00000/rollout") is None
        assert query(session.run, "from rollouts").num_rows == 0
