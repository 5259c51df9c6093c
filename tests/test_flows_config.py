import pytest

from flows.config import PRESETS, RunConfig, load_config, setting_names
from flows.data import check_data_settings
from storage.errors import UserError


def write(tmp_path, text):
    path = tmp_path / "run.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("preset", sorted(path.stem for path in PRESETS.glob("*.toml")))
def test_every_preset_loads_by_name(preset):
    assert isinstance(load_config(preset), RunConfig)


@pytest.mark.parametrize("preset", [path.stem for path in PRESETS.glob("*.toml") if "tiny" not in path.stem])
def test_presets_of_real_data_ask_for_files_that_their_adapters_take(preset):
    """All that is wrong with one is that its first file is not here; `run` says so before any work."""
    with pytest.raises(
        UserError, match=r"^data\.paths\.\w+: data/\w+.* is not there; give an existing file or folder$"
    ):
        check_data_settings(load_config(preset).data)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[rollout]\ngroup_sise = 8", "unknown setting rollout.group_sise; did you mean rollout.group_size?"),
        ("seeed = 1", "unknown setting seeed; did you mean seed?"),
        ("temperature = 1.0", "unknown setting temperature; did you mean rollout.temperature?"),
        (
            "[train.loss]\ntype = 'grpo'\nclip_hig = 0.1",
            "unknown setting train.loss.clip_hig; did you mean train.loss.clip_high?",
        ),
        ("[rollout]\ngroup_size = 1", "rollout.group_size is 1: input should be greater than or equal to 2"),
        ("[train]\nlearning_rate = 'fast'", "train.learning_rate is 'fast'"),
        (
            "[train.loss]\ntype = 'ppo'",
            "train.loss needs a type, one of: dpo, dr_grpo, grpo, online_dpo, rebel, reg_grpo",
        ),
        ("[train.loss]\ntype = 'reg-grpo'", "rloo, sft; did you mean reg_grpo?"),
        (
            "[train.loss]\ntype = 'dpo'",
            "train.loss.type is dpo, rollout.policy current: its pairs are the reference's; "
            'give rollout.policy = "reference", or train.loss.type = "online_dpo"',
        ),
        (
            "[rollout]\npolicy = 'reference'",
            "rollout.policy is reference, train.loss.type reg_grpo: it learns from what the current policy samples",
        ),
        (
            "[train.loss]\ntype = 'online_dpo'\n[curate]\nequal_rewards = 'keep'",
            "curate.equal_rewards is keep, train.loss.type online_dpo: equal rewards have no better",
        ),
        (
            "[train]\nkl_target = 0.1\nkl_weight = 0",
            "train.kl_target is 0.1, kl_weight 0: the weight is steered",
        ),
        ("[train.loss]\ntype = 'rloo'\nbeta = 1", "unknown setting train.loss.beta; there are type"),
        (
            "[engine]\ntype = 'vlm'",
            "engine.type is 'vlm': input should be 'vllm' or 'deterministic'; did you mean vllm?",
        ),
        ("seed = = 1", "not valid TOML"),
    ],
)
def test_wrong_settings_are_one_line_with_the_remedy(tmp_path, text, said):
    with pytest.raises(UserError) as caught:
        load_config(write(tmp_path, text))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_names_the_presets(tmp_path):
    with pytest.raises(UserError, match="tiny"):
        load_config(tmp_path / "nothing.toml")


def test_overrides_take_toml_values_and_bare_words(tmp_path):
    config = load_config(
        write(tmp_path, "[engine]\ntype = 'vllm'"),
        ["engine.type=deterministic", "rounds=7", "train.learning_rate=1e-3"],
    )
    assert (config.engine.type, config.rounds, config.train.learning_rate) == ("deterministic", 7, 1e-3)


@pytest.mark.parametrize("override", ["rounds", "rounds.deep=1"])
def test_a_malformed_override_is_the_users_error(tmp_path, override):
    with pytest.raises(UserError, match="--set"):
        load_config(write(tmp_path, "rounds = 2"), [override])


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["rollout.group_size=1"], "--set rollout.group_size=1: rollout.group_size is 1: input should be"),
        (["seed=1", "rollout.group_sise=8"], "--set rollout.group_sise=8: unknown setting rollout.group_sise; did you"),
        (["rollout=8"], "--set rollout=8: rollout is 8, but it is a section"),
        (["train.loss.type=ppo"], "--set train.loss.type=ppo: train.loss needs a type"),
        (["train.loss.beta=2"], "--set train.loss.beta=2: train.loss needs a type"),
        (["rounds=2", "rounds = 0"], "--set rounds = 0: rounds is 0: input"),  # the last one counts
        # About several settings: those of them that were set, a value of a section under its bare name.
        (["rollout.policy=reference"], "--set rollout.policy=reference: rollout.policy is reference, train.loss.type"),
        (["seed=1", "train.kl_weight=0"], "--set train.kl_weight=0: train.kl_target is 0.1, kl_weight 0"),
        (
            ["rollout.max_new_tokens=600", "engine.max_model_len=600"],
            "--set rollout.max_new_tokens=600 --set engine.max_model_len=600: rollout.max_new_tokens is 600",
        ),
    ],
)
def test_a_wrong_override_is_blamed_and_not_the_file(tmp_path, overrides, said):
    with pytest.raises(UserError) as caught:
        load_config(write(tmp_path, "[train]\nkl_target = 0.1"), overrides)
    assert str(caught.value).startswith(said)
    assert "run.toml" not in str(caught.value)


def test_mistakes_of_the_file_and_of_an_override_are_told_apart(tmp_path):
    path = write(tmp_path, "seed = -1\nrounds = 0")
    with pytest.raises(UserError) as caught:
        load_config(path, ["rollout.group_size=1", "evaluate.num_samples=0"])
    assert str(caught.value) == (
        f"{path}: seed is -1: input should be greater than or equal to 0; "
        "rounds is 0: input should be greater than or equal to 1; "
        "--set rollout.group_size=1: rollout.group_size is 1: input should be greater than or equal to 2"
    )


def test_setting_names_are_dotted_and_complete():
    assert {"rollout.group_size", "seed", "train.kl_weight", "augment.max_noise_sigma"} <= set(setting_names())
