"""`deepvideo check-data`: every row read, every video opened, what is counted, what is wrong, and the sample table."""

import os
import shutil
from collections import Counter

import numpy as np
import pytest
from conftest import call
from own_clips import clips, questions, write
from small_run import SMALL

from flows.check_data import DURATIONS, check_files
from flows.config import load_config
from flows.data import Data
from flows.session import open_session
from storage.encode import write_video
from storage.image import png_bytes
from storage.records import Sample


def check(capfd, folder, rows, *more, settings=()):
    sets = [*write(folder, rows), *(f"data.paths.{name}" for name in settings), "select.samples_per_round=10"]
    return call(capfd, "check-data", "tiny", *(part for one in sets for part in ("--set", one)), *more)


def test_good_data_is_counted_and_its_table_is_written_for_the_run(capfd, tmp_path, console, monkeypatch):
    code, out, err = check(capfd, tmp_path, questions(), "--run-dir", tmp_path / "run")
    assert (code, err) == (0, "")
    counted = [line.split() for line in out.splitlines() if line.startswith((" train", " validation"))]
    assert counted == [
        ["train", "multiple_choice", "4", "4"],
        ["train", "number", "2", "2"],
        ["train", "short_text", "2", "2"],
        ["train", "temporal_grounding", "2", "2"],
        ["validation", "multiple_choice", "1", "1"],
        ["validation", "number", "1", "1"],
        ["validation", "short_text", "1", "1"],
    ]
    assert "to 15 s" in out
    assert "jsonl: 13 samples of 3 videos, 0.01 hours" in out  # 5.28, 10 and 4 seconds
    assert out.endswith("nothing is wrong\n")
    (table,) = (tmp_path / "run/samples").iterdir()
    assert f"sample table: {table}\n" in out
    monkeypatch.setattr("storage.samples.sha256_file", None)  # whoever hashes a video again fails
    config = load_config("tiny", [*SMALL, *write(tmp_path, questions())])
    with open_session(str(tmp_path / "run"), config, console) as session:
        assert len(session.samples["rabbit-1"].video_sha256) == 64


def test_everything_that_is_wrong_is_listed(capfd, tmp_path):
    videos = tmp_path / "videos"
    shutil.copytree(clips(), videos)
    os.truncate(videos / "bikes.mp4", 300_000)
    rows = [
        *questions(),
        questions()[0] | {"sample_id": "gone", "video": "gone.mp4"},
        questions()[4] | {"sample_id": "late", "answer": "6 to 7", "spans": [[6, 7]]},
        questions()[4] | {"sample_id": "long", "answer": "5 to 7", "spans": [[5, 7]]},
        questions()[0],
        "{",
    ]
    code, out, err = check(capfd, tmp_path, rows, "--run-dir", tmp_path / "run", settings=[f"video_root='{videos}'"])
    assert code == 2
    assert err == (
        "deepvideo: 5 wrong: 2 rows, 2 files, 1 spans or parts; mend what is listed above, "
        "or go on without the rows: data.on_bad_row = report\n"
    )
    wrong = [line.removeprefix("wrong: ") for line in out.splitlines() if line.startswith("wrong: ")]
    assert wrong[0] == f'{tmp_path}/own.jsonl:17: sample_id is "rabbit-1": no row before it has this id'
    assert wrong[1].startswith(f'{tmp_path}/own.jsonl:18: the row is "{{": JSON on one line: ')
    assert wrong[2].startswith(f"{videos}/bikes.mp4: ")
    assert wrong[3] == f"{videos}/gone.mp4: no such video file"
    assert (
        wrong[4] == f"late: spans is 6 to 7: a span begins before its video ends, at 5.28 s ({videos}/bigbuckbunny.mp4)"
    )
    assert "odd, and kept: 1 spans_past_the_end_of_the_video" in out
    assert "not opened" in out
    assert not (tmp_path / "run").exists()  # the run would not begin with these


def test_rows_that_are_to_be_reported_are_listed_and_not_counted(capfd, tmp_path):
    code, out, err = check(capfd, tmp_path, [*questions(), "{"], "--set", "data.on_bad_row=report")
    assert (code, err) == (0, "")
    assert f'wrong: {tmp_path}/own.jsonl:14: the row is "{{"' in out
    assert out.endswith("nothing else is wrong\n")


def test_images_are_no_videos(capfd, tmp_path):
    videos, picture = tmp_path / "videos", {"image": "grey.png"}
    shutil.copytree(clips(), videos)
    (videos / "grey.png").write_bytes(png_bytes(np.full((32, 32, 3), 128, np.uint8)))
    alone = {"sample_id": "alone", "question": "Grey?", "answer": "yes", "problem_type": "yes_no", **picture}
    rows = [*questions()[:9], questions()[9] | picture, *questions()[10:], alone]
    code, out, err = check(capfd, tmp_path, rows, settings=[f"video_root='{videos}'"])
    assert (code, err) == (0, "")
    assert "jsonl: 14 samples of 3 videos and 1 images, 0.01 hours" in out
    (row,) = [line.split() for line in out.splitlines() if "yes_no" in line]
    assert row == ["train", "yes_no", "0", "1", "1"]  # without a video


def test_a_video_has_the_time_to_be_read_that_a_run_gives_it(capfd, tmp_path):
    code, out, err = check(capfd, tmp_path, questions(), "--set", "video.timeout_seconds=1e-9")
    assert (code, err.split(";")[0]) == (2, "deepvideo: 3 wrong: 0 rows, 3 files, 0 spans or parts")
    wrong = [line for line in out.splitlines() if line.startswith("wrong: ")]
    assert len(wrong) == 3
    assert all("not read within 1e-09 seconds; raise video.timeout_seconds" in line for line in wrong)


def test_parts_are_compared_with_their_videos_and_spans_with_the_part(capfd, tmp_path):
    when = questions()[4] | {"answer": "1 to 2", "spans": [[1, 2]]}  # of 5.28 seconds
    rows = [
        *questions(),
        when | {"sample_id": "right", "start": 2, "end": 5},
        when | {"sample_id": "cut", "start": 4, "end": 7},
        when | {"sample_id": "outside", "start": 5.28, "end": 7},
        when | {"sample_id": "short", "start": 2, "end": 3},
    ]
    code, out, err = check(capfd, tmp_path, rows)
    assert (code, err.split(";")[0]) == (2, "deepvideo: 2 wrong: 0 rows, 0 files, 2 spans or parts")
    video = clips() / "bigbuckbunny.mp4"
    assert [line.removeprefix("wrong: ") for line in out.splitlines() if line.startswith("wrong: ")] == [
        f"outside: start is 5.28: a part begins before its video ends, at 5.28 s ({video})",
        f"short: spans is 1 to 2: a span begins before its part ends, at 1.00 s ({video})",
    ]
    assert "odd, and kept: 1 parts_past_the_end_of_the_video" in out
    assert "odd, and kept: 1 spans_past_the_end_of_the_video" in out  # of `cut`, which shows 1.28 seconds


@pytest.mark.parametrize(("frames", "bucket"), [(30, "to 15 s"), (31, "to 1 min")])
def test_a_duration_on_the_boundary_is_in_the_lower_bucket(tmp_path, frames, bucket):
    write_video(tmp_path / "x.mp4", np.zeros((frames, 16, 16, 3), np.uint8), 2.0, "h264")
    sample = Sample("s", str(tmp_path / "x.mp4"), "?", "1", "number")
    found = check_files(
        Data([sample, sample], [], Counter(), tmp_path), lambda what, done, total: None, timeout_seconds=60.0
    )
    assert found.counts() == {("train", "number", bucket): 2}
    assert list(DURATIONS)[:2] == ["to 15 s", "to 1 min"]
