"""`deepvideo config`: what it prints loads again, what is committed under docs/ is what it prints."""

import json
import re
import tomllib
from pathlib import Path

import jsonschema
import pytest
from conftest import call
from hypothesis import given
from hypothesis import strategies as st

from flows.config import RunConfig, load_config, preset_names, resolve_config
from flows.settings import every_setting
from flows.settings_docs import schema_json, settings_markdown
from flows.settings_toml import to_toml

DOCS = Path(__file__).parents[1] / "docs"
GRPO = ['train.loss={type="grpo", clip_high=0.28, clip=false}', "train.kl_clamp=11.0", "model.path='a \"b\"\\c'"]


@pytest.mark.parametrize("preset", preset_names())
@pytest.mark.parametrize("overrides", [[], GRPO], ids=["as it is", "grpo"])
def test_what_show_prints_loads_again_as_the_same_settings(capfd, tmp_path, preset, overrides):
    sets = [part for override in overrides for part in ("--set", override)]
    code, out, err = call(capfd, "config", "show", preset, *sets)
    assert (code, err) == (0, "")
    (tmp_path / "shown.toml").write_text(out)
    assert load_config(tmp_path / "shown.toml") == load_config(preset, overrides)


@given(
    st.fixed_dictionaries(
        {
            "seed": st.integers(0, 2**32 - 1),
            "model": st.fixed_dictionaries({"path": st.text(st.characters(exclude_categories=["Cs"]))}),
            "train": st.fixed_dictionaries({"learning_rate": st.floats(1e-300, 1e300)}),
        }
    )
)
def test_any_text_and_number_comes_back(values):
    config = RunConfig.model_validate(values)
    assert resolve_config(tomllib.loads(to_toml(config)), None, "shown") == config


def test_show_marks_what_differs_and_nothing_else(capfd):
    _, out, _ = call(capfd, "config", "show", "tiny", *(p for o in GRPO for p in ("--set", o)))
    assert "max_new_tokens = 32 # default: 256" in out
    assert 'type = "grpo" # default: "reg_grpo"' in out
    assert "clip_high = 0.28 # default: 0.2" in out
    assert "clip_low = 0.2\n" in out
    assert "kl_clamp = 11.0 # default: not set" in out
    assert "seed = 0\n" in out
    config = load_config("tiny", GRPO)
    assert out.count("# default: ") == sum(setting.changed for setting in every_setting(config))
    assert "# kl_clamp is not set" in to_toml(RunConfig())
    assert "# default" not in to_toml(RunConfig())


def test_check_says_what_differs_and_where_the_policy_is(capfd):
    code, out, err = call(capfd, "config", "check", "tiny", "--set", "rounds=7")
    assert (code, err) == (0, "")
    assert out.startswith("tiny: ok; the policy starts from ")
    assert "  rounds = 7  (default: 3)\n" in out
    assert len(re.findall(r"^  [\w.]+ = .*  \(default: .*\)$", out, flags=re.M)) == int(out.splitlines()[1].split()[0])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["config", "check", "tiny", "--set", "rounds=0"], "rounds is 0"),
        (["config", "check", "tiny", "--set", "model.path=/nowhere"], "no checkpoint is there"),
        (["config", "check", "tinny"], "did you mean tiny?"),
        (["config", "show", "tiny", "--set", "engine.type=vlm"], "did you mean vllm?"),
        (["config", "shwo", "tiny"], "Did you mean 'show'?"),
        (["confg"], "Did you mean 'config'?"),
        (["statsu"], "Did you mean 'status'?"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_nearest_right_word(capfd, arguments, said):
    code, _, err = call(capfd, *arguments)
    assert code == 2
    assert said in err
    assert err.startswith("deepvideo: ")
    assert err.count("\n") == 1


def test_without_a_word_the_help_is_all_that_is_printed(capfd):
    code, out, err = call(capfd, "config")
    assert (code, err) == (2, "")
    assert "schema" in out


def test_the_committed_schema_and_page_are_what_the_code_makes():
    assert (DOCS / "schema.json").read_text(encoding="utf-8") == schema_json(), "make settings-docs"
    assert (DOCS / "settings.md").read_text(encoding="utf-8") == settings_markdown(), "make settings-docs"


def test_schema_and_page_are_printed(capfd):
    assert call(capfd, "config", "schema") == (0, schema_json(), "")
    assert call(capfd, "config", "docs") == (0, settings_markdown(), "")


def test_every_setting_is_on_the_page_with_its_meaning():
    page = settings_markdown()
    for setting in every_setting(load_config("tiny")):
        assert f"| `{setting.name.rsplit('.', 1)[-1]}` |" in page
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    assert all(len(row[4].strip()) > 5 for row in rows)


def test_the_schema_takes_and_refuses_what_the_classes_do():
    validator = jsonschema.Draft202012Validator(json.loads(schema_json()))
    validator.check_schema(validator.schema)
    for preset in preset_names():
        assert list(validator.iter_errors(tomllib.loads(to_toml(load_config(preset, GRPO))))) == []
    for wrong in ({"rollout": {"group_size": 1}}, {"seeed": 1}, {"train": {"loss": {"type": "ppo"}}}):
        assert list(validator.iter_errors(wrong)) != []


def test_a_preset_names_the_schema_that_editors_find():
    for preset in preset_names():
        path = DOCS.parent / "flows" / "presets" / f"{preset}.toml"
        named = re.match(r"#:schema (\S+)\n", path.read_text(encoding="utf-8"))
        assert (path.parent / named[1]).resolve() == DOCS / "schema.json"
