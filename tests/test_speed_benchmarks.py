"""The benchmarks of a round's time, of its growth and of reading videos: arithmetic by hand, and two once, small."""

import json
import subprocess
import sys
from pathlib import Path

import growth
import pytest
from round import parts, table, timed

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def stage(round_index, name, start, end):
    return {"round_index": round_index, "stage": name, "seconds": end - start, "ended": end}


def test_a_rounds_parts_add_up_to_its_time():
    """Began at 0: start-up 5 s, a rollout of 10 s of which 2 load and 6 generate, 1 s of nobody, training 4 s."""
    stages = [stage(0, "rollout", 5, 15), stage(0, "train", 16, 20), stage(1, "rollout", 20.5, 24.5)]
    calls = [("load weights", 7.0, 2.0), ("generate", 14.0, 6.0), ("generate", 24.0, 3.0)]
    found = parts(0.0, calls, stages)
    assert found[0] == {
        "load weights": 2,
        "generate": 6,
        "rollout": 2,
        "train": 4,
        "start-up": 5,
        "between stages": 1,
    }
    assert found[1] == {"generate": 3, "rollout": 1, "between stages": 0.5}


def test_the_table_is_the_median_of_the_warm_rounds():
    rows = table({0: {"train": 99.0}, 1: {"train": 1.0, "generate": 2.0}, 2: {"train": 3.0, "generate": 4.0}})
    assert rows == [
        {"part": "generate", "seconds": 3.0, "share": pytest.approx(0.6)},
        {"part": "train", "seconds": 2.0, "share": pytest.approx(0.4)},
    ]


def test_a_timed_call_gives_what_it_gave_and_notes_failures_too():
    calls = []
    assert timed(lambda x: x + 1, "generate", calls)(1) == 2
    with pytest.raises(ZeroDivisionError):
        timed(lambda: 1 / 0, "load weights", calls)()
    assert [name for name, _, _ in calls] == ["generate", "load weights"]


def test_slopes_and_ages_by_hand(tmp_path, monkeypatch):
    """Training is linear, rollouts go with the square; late rounds take twice as long."""

    def run(folder, samples, rounds, overrides):
        power = {"train": 1, "rollout": 2}
        return [
            {"round_index": r, "stage": name, "seconds": samples**p * (2.0 if r > rounds // 2 else 1.0)}
            for r in range(rounds)
            for name, p in power.items()
        ]

    monkeypatch.setattr(growth, "run", run)
    assert {row["stage"]: row["slope"] for row in growth.by_samples(tmp_path, [2, 4, 8], 1, [])} == {
        "train": pytest.approx(1.0),
        "rollout": pytest.approx(2.0),
    }
    assert {row["late_over_early"] for row in growth.by_rounds(tmp_path, 11, [])} == {2.0}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_growth_runs_small(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "growth.py"), "--quick", "--json", str(tmp_path / "rows.json")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert len([row for row in rows if "slope" in row]) == 7
    assert all(row["late_over_early"] > 0 for row in rows if "rounds" in row)


@pytest.mark.timeout(600)
def test_reading_videos_runs_small_and_all_readers_show_the_same_frames(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "video_read.py"), "--quick", "--json", str(tmp_path / "rows.json")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert [row["reader"] for row in rows] == ["ours", "pyav", "opencv_grab", "opencv_seek"] * 2
    assert all(row["difference"] == 0 for row in rows if row["reader"] == "ours")
    assert all(row["difference"] < 2 for row in rows)
    assert all(row["times_ours"] == 1 for row in rows if row["reader"] == "ours")
