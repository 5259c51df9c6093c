"""The data set that the settings name: which samples are in which split, where the root is, what is refused."""

import dataclasses
import os
import shutil
from typing import get_args

import pytest
from own_clips import clips, questions, write
from small_run import SMALL

from flows.config import DatasetName, load_config
from flows.data import check_enough, load_data
from flows.plan import make_plan
from flows.session import open_session
from storage.datasets import ADAPTERS
from storage.errors import UserError
from storage.files import Files
from storage.layout import rejected_table
from storage.query import query
from storage.verify import verify

TRAIN, VALIDATION = questions()[:10], questions()[10:]


def data_of(folder, *settings):
    return load_data(Files(folder / "run"), load_config("tiny", list(settings)))


def ids(data, split):
    return [sample.sample_id for sample in data.split(split)]


def test_every_adapter_can_be_named():
    assert set(get_args(DatasetName)) == set(ADAPTERS)


def test_the_embedded_data_set_is_made_in_the_run(tmp_path):
    data = data_of(tmp_path, *SMALL)
    assert (len(data.split("train")), len(data.split("validation")), data.root) == (24, 6, tmp_path / "run/data")


def test_rows_name_their_split(tmp_path):
    data = data_of(tmp_path, *write(tmp_path, questions()))
    assert ids(data, "train") == [row["sample_id"] for row in TRAIN]
    assert ids(data, "validation") == ["driver-1", "driver-2", "driver-3"]
    assert data.root == clips()


def test_validation_samples_can_come_from_other_files_and_another_adapter(tmp_path):
    (tmp_path / "val.csv").write_text(
        "video_id,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4\n17,9,6,4,what,ball,3,CW,cup,ball,a,b,c\n"
    )
    (tmp_path / "gsub.json").write_text('{"17": {"duration": 10, "fps": 25.0, "location": {"3": [[1, 2.5]]}}}')
    (tmp_path / "map.json").write_text('{"17": "1164/17"}')
    given = {"annotations": "val.csv", "spans": "gsub.json", "video_map": "map.json", "video_root": ""}
    paths = [f"data.validation.paths.{name}='{tmp_path / file}'" for name, file in given.items()]
    data = data_of(tmp_path, *write(tmp_path, TRAIN), "data.validation.name=nextgqa", *paths)
    assert ids(data, "train") == [row["sample_id"] for row in TRAIN]
    assert ids(data, "validation") == ["17-3"]
    assert str(data.root) == os.path.commonpath([tmp_path, clips()])


def test_without_a_name_validation_has_the_same_adapter_and_an_id_of_its_own(tmp_path):
    train, (_, validation, root) = write(tmp_path, TRAIN), write(tmp_path, VALIDATION, "val.jsonl")
    more = [setting.replace("data.paths", "data.validation.paths") for setting in (validation, root)]
    assert ids(data_of(tmp_path, *train, *more), "validation") == ["driver-1", "driver-2", "driver-3"]
    write(tmp_path, [VALIDATION[0], TRAIN[3]], "val.jsonl")
    with pytest.raises(UserError, match=r"rabbit-4: is in data.paths and in data.validation.paths; give it another id"):
        data_of(tmp_path, *train, *more)


def shared_out(folder, share, seed=0):
    """The videos of each split, of twenty videos with two samples each."""
    rows = [TRAIN[3] | {"sample_id": f"s{n}", "video": f"{n // 2}.mp4"} for n in range(40)]
    data = data_of(folder, *write(folder, rows), f"data.validation_share={share}", f"seed={seed}")
    return {split: {os.path.basename(s.video_path) for s in data.split(split)} for split in ("train", "validation")}


def test_a_share_of_the_videos_validates_and_no_video_is_in_both(tmp_path):
    found = shared_out(tmp_path, 0.25)
    assert (len(found["train"]), len(found["validation"])) == (15, 5)
    assert not found["train"] & found["validation"]
    assert shared_out(tmp_path, 0.25) == found
    assert shared_out(tmp_path, 0.25, seed=1) != found
    assert shared_out(tmp_path, 0.5)["validation"] > found["validation"]  # nobody comes back
    assert len(shared_out(tmp_path, 0.001)["validation"]) == 1


def test_a_share_of_data_with_a_validation_split_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"data.validation_share is 0.1, but jsonl has validation samples of its own"):
        data_of(tmp_path, *write(tmp_path, questions()), "data.validation_share=0.1")


@pytest.mark.parametrize(
    ("rows", "settings", "said"),
    [
        (questions(), ["select.samples_per_round=11"], "samples_per_round is 11, but jsonl has 10 training samples: "),
        (TRAIN, ["select.samples_per_round=10"], "jsonl has no validation sample, and a run evaluates on some: give"),
        ([], ["select.samples_per_round=1"], "jsonl has 0 training samples"),
    ],
)
def test_too_little_is_refused(tmp_path, rows, settings, said):
    config = load_config("tiny", [*write(tmp_path, rows), *settings])
    with pytest.raises(UserError, match=said):
        check_enough(load_data(None, config), config)


def test_a_plan_counts_what_is_there_and_writes_nothing(tmp_path):
    config = load_config("tiny", [*SMALL, *write(tmp_path, questions())])
    plan = make_plan(str(tmp_path / "run"), config)
    assert (plan.is_new, plan.amounts(0).samples, plan.amounts(0).validation) == (True, 10, 3)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            ["data.paths.annotations=none.jsonl"],
            "data.paths.annotations: none.jsonl is not there; give an existing file",
        ),
        (["data.paths.spans=x"], "data.paths.spans: jsonl takes no such thing, but annotations, video_root"),
        (["data.paths={}"], "data.paths.annotations is missing; jsonl takes annotations, video_root"),
        (
            ["data.validation.name=nextgqa"],
            "data.validation.paths.annotations is missing; nextgqa takes annotations, spans",
        ),
        (
            ["data.validation.name=shapes"],
            "data.validation.paths: shapes has no files; give another data.validation.name",
        ),
        (["data.name=shapes"], "data.name is shapes, which is made here with its own validation samples: leave"),
    ],
)
def test_settings_that_do_not_fit_the_adapter_are_named(tmp_path, settings, said):
    with pytest.raises(UserError, match=said):
        data_of(tmp_path, *write(tmp_path, questions()), *settings)


def test_the_digest_stays_and_the_run_goes_on_when_the_folder_of_videos_moves(tmp_path, console):
    """A sample's video is where the settings say today; its digest is that of the run's beginning."""
    here = write(tmp_path, questions())
    shutil.copytree(clips(), tmp_path / "moved" / "clips")
    there = [*here[:2], f"data.paths.video_root='{tmp_path}/moved/clips'"]
    found = []
    for settings in (here, there):
        with open_session(str(tmp_path / "run"), load_config("tiny", [*SMALL, *settings]), console) as session:
            found.append([session.samples["street-1"], session.run.identity])
    (before, run), (after, same_run) = found
    assert run == same_run
    assert before.video_path == str(clips() / "bikes.mp4")
    assert after == dataclasses.replace(before, video_path=str(tmp_path / "moved/clips/bikes.mp4"))


def test_rejected_rows_are_a_table_beside_the_samples_and_no_part_of_the_identity(tmp_path, console):
    runs = []
    for name, extra in (("good", []), ("bad", [TRAIN[0] | {"sample_id": "odd", "answer": "Z"}, "{"])):
        sets = [*SMALL, *write(tmp_path, [*extra, *questions()]), "data.on_bad_row=report"]
        with open_session(str(tmp_path / name), load_config("tiny", sets), console) as session:
            runs.append(session.run)
    assert runs[0].identity == runs[1].identity
    assert query(runs[0], "from rejected").num_rows == 0
    rows = query(runs[1], "from rejected order by line").to_pylist()
    assert [(row["file"], row["line"], row["field"]) for row in rows] == [
        (str(tmp_path / "own.jsonl"), "1", "answer"),
        (str(tmp_path / "own.jsonl"), "2", "the row"),
    ]
    assert (rows[0]["value"], rows[0]["rule"]) == ('"Z"', "the letter of an option, A to D")
    assert verify(runs[1].files, lambda what, done, total: None).damages == []
    table = tmp_path / "bad" / rejected_table(runs[1].identity.data)
    table.write_bytes(table.read_bytes()[:-1])
    (damage,) = verify(runs[1].files, lambda what, done, total: None).damages
    assert (damage.problem, damage.remedy[:9]) == ("not a table of rejected rows (ArrowInvalid)", "remove it")
