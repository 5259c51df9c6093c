"""A run of two rounds with LoRA on the deterministic engine: what is committed, resumed, replayed, found damaged."""

import shutil
from dataclasses import replace

import pytest
from conftest import call
from small_run import complete, complete_in_child, tables

from flows.amounts import PolicySize
from flows.config import stored_config
from flows.plan import make_plan
from flows.session import open_session
from flows.stage_specs import SPECS
from storage.errors import DamagedRun, UserError
from storage.files import Files
from storage.query import query
from storage.run import Run
from storage.verify import verify
from trainer.config import LoraConfig


@pytest.fixture(scope="module")
def lora_config(small_config):
    train = small_config.train.model_copy(update={"lora": LoraConfig(rank=4, alpha=8), "learning_rate": 1e-3})
    return small_config.model_copy(update={"train": train})


@pytest.fixture(scope="module")
def finished(lora_config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lora") / "run"
    complete_in_child(folder, lora_config)
    return folder


def damages(folder):
    return [damage.path for damage in verify(Files(folder), lambda what, done, total: None).damages]


def test_the_second_round_starts_where_the_first_ended_and_knows_the_reference(finished):
    rows = query(Run.open(str(finished)), "from train_steps where step = 0 order by round_index").to_pylist()
    assert [abs(row["rho_mean"]) < 1e-4 and row["rho_std"] < 1e-4 for row in rows] == [True, True]
    assert rows[0]["kl"] == pytest.approx(0, abs=1e-9)
    assert rows[1]["kl"] > 1e-6


def test_the_adapter_is_an_output_of_its_own_and_an_input_of_the_next_round(finished):
    ledger = Run.open(str(finished)).ledger
    first, second = (ledger.current(f"{r:05d}/train") for r in (0, 1))
    adapter = {"adapter/adapter_config.json", "adapter/adapter_model.safetensors"}
    assert adapter == {name for name in first.files if name.startswith("adapter/")}
    assert not any("adapter" in name for name in first.files if name.startswith("checkpoint/"))
    assert second.inputs["00000/train"] == first.digest
    other = replace(first, files=first.files | {"adapter/adapter_model.safetensors": "0" * 64})
    assert other.digest != first.digest


def test_a_killed_training_ends_the_same(finished, lora_config, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    last = Run.open(str(tmp_path / "run")).ledger.current("00001/train")
    folder = tmp_path / "run" / last.folder
    (folder / "manifest.json").unlink()
    (folder / "shard-00001.json").unlink()  # it had stored the old log-probs, and died while it took its steps
    shutil.rmtree(tmp_path / "run/rounds/00002")
    assert complete(tmp_path / "run", lora_config) == [("evaluate", 2), ("train", 1)]
    again = Run.open(str(tmp_path / "run")).ledger.current("00001/train")
    assert (again.digest, again.files) == (last.digest, last.files)
    assert tables(tmp_path / "run") == tables(finished)


def test_a_replay_comes_out_the_same(capfd, finished):
    for r in (0, 1):
        code, out, _ = call(capfd, "replay", "--run-dir", finished, "--round", r, "--step", 2)
        assert (code, out.strip().splitlines()[-1]) == (0, "identical")


def test_a_damaged_adapter_is_named_and_not_trained_on(finished, lora_config, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    assert damages(tmp_path / "run") == []
    victim = next((tmp_path / "run").glob("rounds/00000/train/*/0/adapter-*/adapter_model.safetensors"))
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(data)
    assert damages(tmp_path / "run") == [victim.relative_to(tmp_path / "run").as_posix()]
    shutil.rmtree(tmp_path / "run/rounds/00001/train")
    with pytest.raises(DamagedRun, match=r"adapter_model.safetensors: its bytes differ"):
        complete(tmp_path / "run", lora_config)


@pytest.mark.parametrize("lora", [None, LoraConfig(rank=2, alpha=8)], ids=["whole", "another rank"])
def test_other_adapters_or_none_need_consent_and_every_training_anew(finished, lora_config, tmp_path, console, lora):
    """So no round goes on from what was trained otherwise, and no optimiser meets another's state."""
    folder = shutil.copytree(finished, tmp_path / "run")
    changed = lora_config.model_copy(update={"train": lora_config.train.model_copy(update={"lora": lora})})
    refused = pytest.raises(UserError, match=r"stale \(00000/train, .*--accept-changes")
    with refused, open_session(str(folder), changed, console):
        pass
    with open_session(str(folder), changed, console, accept_changes=True) as session:
        states = {name: session.run.ledger.state(f"00000/{name}")[0] for name in SPECS}
        assert states == {**dict.fromkeys(SPECS, "done"), "train": "stale"}
    done = complete(folder, changed)
    assert {("train", 0), ("train", 1)} <= set(done)
    first = Run.open(str(folder)).ledger.current("00000/train")
    assert any(name.startswith("adapter/") for name in first.files) is (lora is not None)


def test_a_section_that_was_left_out_can_be_set(two_rounds):
    """The settings of a run without LoRA hold no section to set a value of."""
    config = stored_config(Run.open(str(two_rounds)), ["train.lora.rank=3"])
    assert config.train.lora == LoraConfig(rank=3)


def test_the_plan_counts_the_adapter_and_its_moments(finished, lora_config, tmp_path):
    files = Files(finished).walk("rounds/00000/train")
    outputs = ("checkpoint-", "adapter-", "optimizer-")
    size = sum(size for path, size in files.items() if path.split("/")[5].startswith(outputs))
    plan = make_plan(str(tmp_path), lora_config)
    assert plan.size.bytes == pytest.approx(size, rel=0.01)
    without_adapter = sum(size for path, size in files.items() if path.split("/")[5].startswith("checkpoint-"))
    assert plan.size.bytes > 1.05 * without_adapter
    named = LoraConfig(rank=4, target_modules=("q_proj",))
    assert PolicySize(plan.size.checkpoint, named).bytes == without_adapter_of(plan) + 4 * 3 * 4 * (4 * (128 + 128))


def without_adapter_of(plan):
    return PolicySize(plan.size.checkpoint, LoraConfig(target_modules=("none",))).bytes
