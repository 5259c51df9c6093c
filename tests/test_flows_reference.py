"""The whole loop with rollouts of the reference, SFT, and groups of equal rewards kept."""

import pytest
from small_run import SMALL, complete_in_child

from flows.config import load_config
from storage.query import query
from storage.run import Run

SETTINGS = [
    *SMALL,
    "rollout.policy=reference",
    "train.loss={type='sft'}",
    "train.kl_weight=0.0",
    "curate.equal_rewards=keep",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference") / "run"
    complete_in_child(folder, load_config("tiny", SETTINGS))
    return Run.open(str(folder))


@pytest.fixture(scope="module")
def ask(run):
    return lambda sql: query(run, sql).to_pylist()


def test_the_reference_samples_every_round_and_the_current_policy_is_trained_and_evaluated(run, ask):
    found = ask("select distinct round_index, policy_version from rollouts order by all")
    assert found == [{"round_index": r, "policy_version": 0} for r in (0, 1)]
    assert ask("select max(policy_version) as last from evaluations") == [{"last": 2}]
    assert "00000/train" in run.ledger.current("00001/train").inputs
    assert not {"00000/train"} & run.ledger.current("00001/rollout").inputs.keys()


def test_the_first_log_ratio_of_the_second_round_is_zero_but_its_kl_is_not(ask):
    (first,) = ask("from train_steps where round_index = 1 and step = 0")
    assert first["rho_std"] < 1e-5  # old is the policy that enters the round
    assert first["kl"] > 1e-6  # which has left the reference


def test_every_sample_is_trained_on_whatever_its_rewards(ask):
    assert ask("select * from dropped where reason = 'equal_rewards'") == []
    for row in ask("select num_groups, num_trained, vanishing_after from rounds where num_trained is not null"):
        assert row["num_trained"] == row["num_groups"]
    equal = "select count(*) as n from (select 1 from curated group by group_id having min(reward) = max(reward))"
    assert ask(equal)[0]["n"] > 0
