"""A whole small run on the deterministic engine for each way to change a video: tables, trace, report, plan, verify."""

import json
import re

import pytest
from small_run import SMALL, complete
from test_flows_trace import printed

from flows.amounts import Amounts
from flows.config import load_config
from flows.plan import make_plan
from flows.report.film import strips
from storage.datasets import shapes
from storage.files import Files
from storage.query import query
from storage.run import Run
from storage.verify import verify

WAYS = {
    "noise_seed": ["increasing=noise", "decreasing=off", "storage=seed"],
    "mask_hint": ["increasing=mask", "decreasing=hint"],
    "mask_seed": ["increasing=mask", "decreasing=off", "storage=seed"],
    "cue_mark": ["increasing=off", "decreasing=cue"],
    "cue_keep_seed": ["increasing=off", "decreasing=cue", "cue=keep", "storage=seed"],
    "off": ["increasing=off", "decreasing=off"],
}
KINDS = {
    "noise_seed": {"noise"},
    "mask_hint": {"mask", "hint"},
    "mask_seed": {"mask"},
    "cue_mark": {"cue", "hint"},
    "cue_keep_seed": {"cue", "hint"},
    "off": set(),
}
SPAN = [0.5, 1.0]


def prepared(folder, config):
    """Gives every question that does not ask when a span, as grounded benchmarks have."""
    data = config.data
    shapes.generate(folder, seed=config.seed, num_train=data.num_train, num_validation=data.num_validation)
    records = [json.loads(line) for line in (folder / shapes.RECORDS).read_text().splitlines()]
    for record in records:
        record["spans"] = record["spans"] or [SPAN]
    (folder / shapes.RECORDS).write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.fixture(scope="module", params=WAYS)
def finished(request, tmp_path_factory):
    """A finished run of each way: its name, its folder, its settings."""
    folder = tmp_path_factory.mktemp(request.param) / "run"
    config = load_config("tiny", [*SMALL, *(f"augment.{way}" for way in WAYS[request.param])])
    prepared(folder / "data", config)
    complete(folder, config)
    return request.param, folder, config


def rows(folder, sql):
    return query(Run.open(str(folder)), sql).to_pylist()


def test_the_kinds_are_those_that_were_asked_for_and_are_trained_on(finished):
    way, folder, config = finished
    assert {row["kind"] for row in rows(folder, "select kind from augmentations where kind <> 'none'")} == KINDS[way]
    trained = rows(folder, "select distinct augmentation from curated where augmentation <> 'none'")
    assert {row["augmentation"] for row in trained} <= KINDS[way]
    assert bool(trained) == bool(KINDS[way])
    assert complete(folder, config) == []


def test_rollouts_say_what_their_augmentation_says(finished):
    _, folder, _ = finished
    names = "noise_sigma, noise_seed, masked_frames, marked_frames, altered_on_read, video_path"
    planned = rows(
        folder, f"select round_index, sample_id, {names} from augmentations where kind <> 'none' order by all"
    )
    asked = rows(
        folder, f"select distinct round_index, sample_id, {names} from rollouts where pass = 'augmented' order by all"
    )
    assert asked == planned
    others = rows(
        folder,
        """from rollouts where pass <> 'augmented' and (noise_sigma is not null or altered_on_read
        or len(masked_frames) > 0 or len(marked_frames) > 0)""",
    )
    assert others == []


def test_seeds_write_no_file_and_every_file_is_named(finished):
    way, folder, _ = finished
    named = rows(folder, "select distinct video_path from augmentations where kind in ('noise', 'mask', 'cue')")
    paths = {row["video_path"] for row in named}
    files = {f"videos/{path.name}" for path in folder.glob("videos/*")}
    assert files == (set() if "seed" in way else paths)
    assert all(path.startswith("data/") == ("seed" in way) for path in paths)
    report = verify(Files(folder), lambda what, done, total: None)
    assert (report.damages, report.orphans) == ([], {})
    assert report.checked["altered videos"].files == len(files)


def test_a_question_that_asks_when_is_never_cued(finished):
    way, folder, _ = finished
    found = rows(folder, "select a.kind, s.problem_type from augmentations a join samples s using (sample_id)")
    if "cue" in way:
        assert {row["problem_type"] for row in found if row["kind"] != "cue"} == {"temporal_grounding"}
    assert ("cue", "temporal_grounding") not in {(row["kind"], row["problem_type"]) for row in found}


def test_the_film_strips_show_each_kind(finished):
    way, folder, _ = finished
    found = strips(Run.open(str(folder)))
    shown = {re.search(r": (\w+), level", strip.title)[1] for strip in found}
    assert shown == KINDS[way] - {"hint"}
    for strip in found:
        assert strip.problem == ""
        assert strip.clean.startswith("data:image/jpeg;base64,")
        assert strip.shown.startswith("data:image/jpeg;base64,")
        assert strip.clean != strip.shown


def test_a_trace_names_the_frames(finished):
    way, folder, _ = finished
    for row in rows(folder, "from augmentations where kind in ('noise', 'mask', 'cue')")[:2]:
        text = " ".join(printed("trace", row["sample_id"], "--run-dir", folder).split())
        if row["kind"] == "noise":
            assert f"noise, level {row['level']:.2f}, sigma {row['noise_sigma']:.1f} (realised" in text
            continue
        what, positions = ("marked", row["marked_frames"]) if way == "cue_mark" else ("black", row["masked_frames"])
        assert f"{', '.join(map(str, positions))} {what}" in text


def test_the_plan_bounds_what_was_written(finished, tmp_path):
    way, folder, config = finished
    plan = make_plan(str(tmp_path / "new"), config)
    planned = sum((plan.amounts(r) for r in plan.rounds), Amounts())
    written = sum(path.stat().st_size for path in folder.glob("videos/*"))
    assert planned.other_bytes > written
    assert (written > 0) == (way in ("mask_hint", "cue_mark"))
    assert planned.augmented >= rows(folder, "select count(*) as n from rollouts where pass <> 'original'")[0]["n"]
    assert planned.traces >= rows(folder, "select count(*) as n from hint_traces")[0]["n"]


def test_masked_and_kept_frames_are_right_in_the_tables(finished):
    way, folder, config = finished
    num_frames = config.video.num_frames
    for row in rows(folder, "from augmentations where kind in ('mask', 'cue')"):
        if row["kind"] == "mask":
            assert len(row["masked_frames"]) == round(row["level"] * config.augment.max_mask_share * num_frames)
        else:
            positions = row["marked_frames"] if way == "cue_mark" else row["masked_frames"]
            assert 0 < len(positions) < num_frames
