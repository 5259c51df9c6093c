"""The embedded data set: same seed same bytes, real videos, answers that follow from what was drawn."""

import hashlib
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from stages.leak import leaks
from storage.datasets import shapes
from storage.datasets.shapes_new_tasks import hidden
from storage.datasets.shapes_scene import (
    CLOCK_HEIGHT,
    COLOURS,
    DIRECTIONS,
    FPS,
    FRAME_SIZE,
    LABEL_WORDS,
    NUM_FRAMES,
    SHAPES,
    Scene,
    Thing,
    cell_labels,
    draw,
)
from storage.errors import UserError
from storage.records import Sample
from storage.video import read_video

NUM_TRAIN, NUM_VALIDATION = 160, 120
LEVELS = ("L1", "L2", "L3")
VIDEO_SECONDS = NUM_FRAMES / FPS


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shapes")
    shapes.generate(root, seed=7, num_train=NUM_TRAIN, num_validation=NUM_VALIDATION)
    return root


def test_a_version_is_frozen(root: Path) -> None:
    """What has figures under a version number never changes: another data set or policy has another number."""
    text = (root / shapes.RECORDS).read_text()
    rounded = re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.4f}", text)
    assert (shapes.VERSION, hashlib.sha256(rounded.encode()).hexdigest()[:16]) == (3, "c5307795ef7c1a4b")
    light = [read_video(sample.video_path).frames.mean() for sample in shapes.load(root)[:4]]
    assert np.allclose(light, [114.4, 63.7, 137.3, 124.6], atol=0.5)


def _digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_same_seed_same_bytes_and_another_seed_other_videos(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        shapes.generate(tmp_path / name, seed=seed, num_train=6, num_validation=2)
    assert _digests(tmp_path / "a") == _digests(tmp_path / "b")
    assert _digests(tmp_path / "a") != _digests(tmp_path / "c")


def test_a_longer_training_split_begins_with_the_shorter_one(tmp_path: Path) -> None:
    for name, number in (("short", 4), ("long", 8)):
        shapes.generate(tmp_path / name, seed=1, num_train=number, num_validation=2)
    short, long = _digests(tmp_path / "short"), _digests(tmp_path / "long")
    assert all(long[name] == digest for name, digest in short.items() if name.endswith(".mp4"))


def test_a_finished_data_set_is_left_alone_and_other_arguments_are_refused(tmp_path: Path) -> None:
    shapes.generate(tmp_path, seed=1, num_train=2, num_validation=1)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    shapes.generate(tmp_path, seed=1, num_train=2, num_validation=1)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(UserError, match="holds shapes made with"):
        shapes.generate(tmp_path, seed=2, num_train=2, num_validation=1)


def test_an_interrupted_generation_is_completed(tmp_path: Path) -> None:
    shapes.generate(tmp_path, seed=1, num_train=3, num_validation=1)
    whole = _digests(tmp_path)
    (tmp_path / shapes.RECORDS).unlink()
    (tmp_path / "videos" / "shapes-train-00001.mp4").unlink()
    shapes.generate(tmp_path, seed=1, num_train=3, num_validation=1)
    assert _digests(tmp_path) == whole


def test_splits_and_problem_types(root: Path) -> None:
    samples = shapes.load(root)
    assert Counter(sample.split for sample in samples) == {"train": NUM_TRAIN, "validation": NUM_VALIDATION}
    assert len({sample.sample_id for sample in samples}) == len(samples)
    counts = Counter(sample.problem_type for sample in samples)
    assert set(counts) == {"short_text", "number", "multiple_choice", "temporal_grounding"}
    assert min(counts.values()) >= 0.1 * len(samples)


def test_validation_samples_take_turns_in_the_levels_and_training_has_none(root: Path) -> None:
    levels = [sample.task_level for sample in shapes.load(root)]
    assert levels[:NUM_TRAIN] == [None] * NUM_TRAIN
    assert levels[NUM_TRAIN:] == ["L1", "L2", "L3"] * (NUM_VALIDATION // 3)


def test_no_question_of_level_3_is_asked_in_training_or_at_another_level(root: Path) -> None:
    kinds = {True: set[str](), False: set[str]()}
    for sample in shapes.load(root):
        words = sample.question.rstrip("?s").split()
        names = {*COLOURS, *SHAPES, *DIRECTIONS, "crosse"}
        kinds[sample.task_level == "L3"].add(" ".join("_" if word in names else word for word in words))
    assert kinds[True]
    assert not kinds[True] & kinds[False]


def test_the_new_environment_is_lighter_and_its_objects_are_smaller(root: Path) -> None:
    light, radius = {name: list[float]() for name in LEVELS}, {name: list[float]() for name in LEVELS}
    drawn = shapes.objects(root)
    for sample in shapes.load(root):
        if sample.task_level is not None:
            light[sample.task_level].append(float(read_video(sample.video_path).frames[0].mean()))
            radius[sample.task_level] += [thing.radius for thing in drawn[sample.sample_id]]
    for level in ("L2", "L3"):
        assert np.mean(light[level]) > np.mean(light["L1"]) + 20
        assert max(radius[level]) < 0.85 * max(radius["L1"])


def test_every_video_decodes(root: Path) -> None:
    for sample in shapes.load(root)[:12]:
        video = read_video(sample.video_path)
        assert Path(sample.video_path).is_absolute()
        assert video.frames.shape == (NUM_FRAMES, FRAME_SIZE, FRAME_SIZE, 3)
        assert video.fps == FPS


def _worded(sample: Sample) -> str:
    """The answer in words: the option that a letter names."""
    return sample.options["ABCD".index(sample.answer)] if sample.options else sample.answer


def _expected(sample: Sample, things: tuple[Thing, ...]) -> str:
    """The answer as it follows from the question's words and the objects alone."""
    words = sample.question.rstrip("?").split()
    match words:
        case ["What", "colour", "is", "the", form]:
            (found,) = [thing.colour for thing in things if thing.shape == form]
        case ["What", "shape", "is", hue]:
            (found,) = [thing.shape for thing in things if thing.colour == hue]
        case ["Which", "way", "does", "the", hue, *_]:
            (mover,) = [thing for thing in things if thing.colour == hue]
            (found,) = [name for name, (u, v) in DIRECTIONS.items() if u * mover.dx + v * mover.dy > 0]
        case ["Which", "colour", "moves", way]:
            u, v = DIRECTIONS[way]
            (found,) = [thing.colour for thing in things if u * thing.dx + v * thing.dy > 0]
        case ["How", "many", name, *_]:
            form = name.removesuffix("s").removesuffix("e") if name == "crosses" else name.removesuffix("s")
            found = str(sum(name == thing.colour or form == thing.shape for thing in things))
        case ["When", "is", "the", *name, what]:
            (asked,) = [thing for thing in things if name[0] in (thing.colour, thing.shape)]
            found = _spans_text([frame for frame in range(NUM_FRAMES) if asked.seen(frame) == (what == "visible")])
        case _:
            order = sorted(things, key=lambda thing: thing.first_frame)
            found = {"first": order[0], "last": order[-1]}[words[-1]].colour
    return found


def _spans_text(frames: list[int]) -> str:
    """Frames as spans: a frame is shown from its own time to the next one's."""
    starts = [frame / FPS for frame in frames if frame - 1 not in frames]
    ends = [(frame + 1) / FPS for frame in frames if frame + 1 not in frames]
    return ", ".join(f"{start} to {end}" for start, end in zip(starts, ends, strict=True))


def test_answers_follow_from_the_objects(root: Path) -> None:
    drawn = shapes.objects(root)
    for sample in shapes.load(root):
        assert _worded(sample) == _expected(sample, drawn[sample.sample_id]), sample


def test_objects_stay_in_the_frame_and_do_not_appear_together(root: Path) -> None:
    drawn = shapes.objects(root)
    for sample in shapes.load(root):
        things = drawn[sample.sample_id]
        for thing in things:
            for frame in (0, NUM_FRAMES - 1):
                assert all(2 <= value <= FRAME_SIZE - 2 for value in thing.centre(frame)), (sample.sample_id, thing)
            assert thing.first_frame < NUM_FRAMES
        if "appears" in sample.question:
            assert len({thing.first_frame for thing in things}) == len(things)


def test_options_are_four_and_hold_the_answer_once(root: Path) -> None:
    choices = [sample for sample in shapes.load(root) if sample.problem_type == "multiple_choice"]
    assert {sample.answer for sample in choices} == set("ABCD")
    for sample in choices:
        assert len(sample.options) == len(set(sample.options)) == 4
    assert all(not sample.options for sample in shapes.load(root) if sample.problem_type != "multiple_choice")


def test_the_first_half_of_a_trace_does_not_give_the_answer_and_the_end_does(root: Path) -> None:
    traces = shapes.traces(root)
    for sample in shapes.load(root):
        words = traces[sample.sample_id].split()
        assert not leaks(" ".join(words[: (len(words) + 1) // 2]), sample), (sample, words)
        assert traces[sample.sample_id].endswith(f" {sample.answer}."), (sample, words)
        assert _worded(sample) in traces[sample.sample_id].lower()


def test_spans_are_the_answer_in_seconds_within_the_video(root: Path) -> None:
    asked = [sample for sample in shapes.load(root) if sample.problem_type == "temporal_grounding"]
    for sample in asked:
        assert sample.answer == ", ".join(f"{start} to {end}" for start, end in sample.spans)
        assert all(0 <= start < end <= VIDEO_SECONDS for start, end in sample.spans)
        assert sum(end - start for start, end in sample.spans) < VIDEO_SECONDS


def test_the_span_of_a_question_of_order_is_what_shows_it_and_no_other_question_has_one(root: Path) -> None:
    drawn, num_found = shapes.objects(root), 0
    for sample in shapes.load(root):
        if sample.question == "Which colour appears first?":
            seen = [[thing.seen(frame) for thing in drawn[sample.sample_id]] for frame in range(NUM_FRAMES)]
            alone = [frame / FPS for frame in range(NUM_FRAMES) if sum(seen[frame]) == 1]
            assert sample.spans == ((alone[0], alone[-1] + 1 / FPS),)
            num_found += 1
        elif sample.problem_type != "temporal_grounding":
            assert sample.spans == ()
    assert num_found >= 10


def test_a_bar_along_the_lower_edge_fills_with_time() -> None:
    frames = draw(Scene((), 90.0, 0.0, 1.0), np.random.default_rng(0))
    filled = [(frame[-CLOCK_HEIGHT:] == 255).all(axis=(0, 2)).sum() for frame in frames]
    assert filled == [FRAME_SIZE * (i + 1) // NUM_FRAMES for i in range(NUM_FRAMES)]
    later = draw(Scene((), 90.0, 0.0, 1.0), np.random.default_rng(0), 2, clock=4)
    assert (later == frames[4:6]).all()


def test_what_is_hidden_before_and_after_has_two_spans() -> None:
    drawn = [hidden(np.random.default_rng(seed), 0.5) for seed in range(30)]
    assert {len(one.spans) for one in drawn} == {1, 2}
    for one in drawn:
        seen = [frame for frame in range(NUM_FRAMES) if not one.things[0].seen(frame)]
        assert one.answer == _spans_text(seen)


def test_an_object_is_drawn_for_as_long_as_it_is_seen_and_labelled_for_the_same_pairs() -> None:
    thing = Thing("red", "circle", 42, 42, 10.0, first_frame=2, end_frame=4)
    frames = draw(Scene((thing,), 90.0, 0.0, 1.0), np.random.default_rng(0))
    assert [bool((frame[42, 42] == COLOURS["red"]).all()) for frame in frames] == [
        2 <= i < 4 for i in range(NUM_FRAMES)
    ]
    labels = cell_labels([thing]).reshape(4, 9, len(LABEL_WORDS))
    assert [bool(pair[..., LABEL_WORDS.index("red")].any()) for pair in labels] == [False, True, False, False]


def test_cell_labels_by_hand() -> None:
    """A red circle moving right through the middle row, seen from frame 4 on: x is 42 at frame 4.5 and 70 at 6.5."""
    thing = Thing("red", "circle", 42 - 4.5 * 14, 42, 8.0, dx=14.0, first_frame=4)
    labels = cell_labels([thing]).reshape(4, 3, 3, len(LABEL_WORDS))
    places = LABEL_WORDS.index("top")
    assert np.argwhere(labels[..., :places].any(-1)).tolist() == [[2, 1, 1], [3, 1, 2]]
    assert [LABEL_WORDS[i] for i in np.flatnonzero(labels[2, 1, 1])] == [
        "red",
        "circle",
        "rightward",
        "third",
        "warm",
        "plain",
    ]
    assert [LABEL_WORDS[i] for i in np.flatnonzero(labels[3, 1, 2])] == [
        "red",
        "circle",
        "rightward",
        "right",
        "fourth",
        "warm",
        "plain",
    ]
    assert [LABEL_WORDS[i] for i in np.flatnonzero(labels[0, 2, 0])] == ["bottom", "left", "first"]
    (later,) = cell_labels([], num_frames=2, clock=4).reshape(1, 9, len(LABEL_WORDS))
    assert [LABEL_WORDS[i] for i in np.flatnonzero(later[4])] == ["third"]
