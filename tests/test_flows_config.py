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


def test_setting_names_are_dotted_and_complete():
    assert {"rollout.group_size", "seed", "train.kl_weight", "augment.max_noise_sigma"} <= set(setting_names())
