"""The sample table: one digest for the annotations, one for each video, paths that move with the run."""

from __future__ import annotations

import dataclasses
import uuid
from pathlib import Path

import pytest

from storage import layout
from storage.digest import sha256_bytes
from storage.errors import UserError
from storage.files import Files
from storage.records import Sample
from storage.samples import data_digest, local_path, read_samples, stored_path, write_samples


def sample(number: int, root: Path | str) -> Sample:
    return Sample(
        sample_id=f"s{number}",
        video_path=f"{root}/videos/{number}.mp4",
        question=f"Which one, {number}?",
        answer="B",
        problem_type="multiple_choice",
        options=("red", "blue"),
        spans=((0.5, 2.0), (3.0, 4.25)),
    )


def videos(root: Path, count: int) -> None:
    (root / "videos").mkdir(parents=True)
    for number in range(count):
        (root / "videos" / f"{number}.mp4").write_bytes(b"video %d" % number)


def no_progress(what: str, done: int, total: int) -> None:
    """Nobody watches."""


@pytest.fixture(params=["local", "memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    return Files(tmp_path / "run" if request.param == "local" else f"memory://{uuid.uuid4().hex}/run")


def test_the_digest_depends_on_every_annotation() -> None:
    plain = sample(1, "/data")
    changes = [
        {"sample_id": "s2"},
        {"video_path": "/data/videos/other.mp4"},
        {"question": "Why?"},
        {"answer": "A"},
        {"problem_type": "short_text"},
        {"options": ("blue", "red")},
        {"spans": ((0.5, 2.0),)},
        {"split": "validation"},
        {"task_level": "L2"},
        {"category": "counting"},
        {"domain": "cooking"},
        {"duration_group": "60"},
        {"image_path": "/data/images/now.png"},
        {"subtitles": ("Hello.",)},
        {"part_start": 1.0},
        {"part_end": 2.0},
    ]
    assert {name for change in changes for name in change} | {"video_sha256", "image_sha256"} == {
        field.name for field in dataclasses.fields(Sample)
    }
    changed = [[dataclasses.replace(plain, **change)] for change in changes]  # type: ignore[arg-type]
    sets = [[plain], [], [plain, sample(2, "/data")], *changed]
    assert len({data_digest(samples, Path("/data")) for samples in sets}) == len(sets)


def test_the_digest_ignores_the_place_of_the_data_the_order_and_video_digests() -> None:
    def placed(root: str) -> list[Sample]:
        return [dataclasses.replace(sample(n, root), image_path=f"{root}/images/{n}.png") for n in (1, 2)]

    here = data_digest(placed("/here"), Path("/here"))
    there = [dataclasses.replace(s, video_sha256="0" * 64) for s in reversed(placed("/there/deep"))]
    assert data_digest(there, Path("/there/deep")) == here


def test_samples_come_back_in_their_order_with_their_videos_digests(files: Files, tmp_path: Path) -> None:
    videos(tmp_path / "data", 3)
    samples = [sample(n, tmp_path / "data") for n in (2, 0, 1)]
    told: list[tuple[str, int, int]] = []
    write_samples(files, "d" * 64, samples, lambda *arguments: told.append(arguments))
    expected = [
        dataclasses.replace(s, video_sha256=sha256_bytes(b"video " + s.sample_id[1:].encode())) for s in samples
    ]
    assert read_samples(files, "d" * 64) == expected
    assert told == [("hash files", i, 3) for i in (1, 2, 3)]


def test_a_video_that_cannot_be_read_has_no_digest_and_keeps_its_sample(files: Files, tmp_path: Path) -> None:
    videos(tmp_path / "data", 1)
    (tmp_path / "data" / "videos" / "2.mp4").mkdir()
    write_samples(files, "d", [sample(n, tmp_path / "data") for n in (0, 1, 2)], no_progress)
    assert [s.video_sha256 for s in read_samples(files, "d")] == [sha256_bytes(b"video 0"), None, None]


def test_an_image_has_its_digest_and_a_sample_without_a_video_none(files: Files, tmp_path: Path) -> None:
    videos(tmp_path / "data", 1)
    (tmp_path / "data" / "x.png").write_bytes(b"image")
    image, no_image = str(tmp_path / "data" / "x.png"), str(tmp_path / "data" / "y.png")
    samples = [
        dataclasses.replace(sample(0, tmp_path / "data"), image_path=image),
        dataclasses.replace(sample(1, tmp_path / "data"), video_path=None, image_path=image),
        dataclasses.replace(sample(2, tmp_path / "data"), video_path=None, image_path=no_image),
    ]
    write_samples(files, "d", samples, no_progress)
    found = read_samples(files, "d")
    sha256 = sha256_bytes(b"image")
    assert [s.media.image_sha256 for s in found] == [sha256, sha256, None]
    assert [s.media.video_sha256 for s in found] == [sha256_bytes(b"video 0"), None, None]
    assert [s.media.modalities for s in found] == [("video", "image"), ("image",), ("image",)]
    assert found[1].video_path is None
    assert data_digest(samples, tmp_path) == data_digest(found, tmp_path) != data_digest(found[:2], tmp_path)


def test_a_sample_that_shows_nothing_is_refused(files: Files, tmp_path: Path) -> None:
    nothing = dataclasses.replace(sample(7, tmp_path), video_path=None)
    with pytest.raises(UserError, match="sample s7: has neither a video nor an image; give it one"):
        write_samples(files, "d", [nothing], no_progress)
    assert not files.exists(layout.samples_table("d"))


def test_the_table_is_written_once(files: Files, tmp_path: Path) -> None:
    videos(tmp_path / "data", 2)
    write_samples(files, "d", [sample(0, tmp_path / "data")], no_progress)
    told: list[int] = []
    write_samples(files, "d", [sample(1, tmp_path / "data")], lambda what, done, total: told.append(done))
    assert [s.sample_id for s in read_samples(files, "d")] == ["s0"]
    assert told == []  # nothing was hashed again
    write_samples(files, "e", [sample(1, tmp_path / "data")], no_progress)
    assert [s.sample_id for s in read_samples(files, "e")] == ["s1"]


def test_paths_inside_the_run_are_relative_and_survive_its_moving(tmp_path: Path) -> None:
    files = Files(tmp_path / "run")
    videos(tmp_path / "run" / "data", 1)
    videos(tmp_path / "outside", 2)
    samples = [sample(0, tmp_path / "run" / "data"), sample(1, tmp_path / "outside")]
    write_samples(files, "d", samples, no_progress)
    (tmp_path / "run").rename(tmp_path / "moved")
    moved = Files(tmp_path / "moved")
    inside, outside = read_samples(moved, "d")
    assert inside.video_path == "data/videos/0.mp4"
    assert outside.video_path == str(tmp_path / "outside" / "videos" / "1.mp4")
    assert local_path(moved, inside.video_path).read_bytes() == b"video 0"
    assert local_path(moved, outside.video_path).read_bytes() == b"video 1"


def test_stored_path_resolves_what_leads_into_or_out_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    (run / "data").mkdir(parents=True)
    (tmp_path / "run-2").mkdir()
    (tmp_path / "link").symlink_to(run)
    files = Files(run)
    assert stored_path(files, f"{tmp_path}/link/data/x.mp4") == "data/x.mp4"
    assert stored_path(files, f"{run}/../other/x.mp4") == f"{tmp_path}/other/x.mp4"
    assert stored_path(files, f"{tmp_path}/run-2/x.mp4") == f"{tmp_path}/run-2/x.mp4"  # a longer name is not inside
    monkeypatch.chdir(tmp_path)
    assert stored_path(Files("run"), "run/data/x.mp4") == "data/x.mp4"
    assert stored_path(Files("run"), "x.mp4") == f"{tmp_path}/x.mp4"


def test_an_object_store_holds_absolute_paths_and_downloads_relative_ones(tmp_path: Path) -> None:
    files = Files(f"memory://{uuid.uuid4().hex}/run")
    assert stored_path(files, f"{tmp_path}/x.mp4") == f"{tmp_path}/x.mp4"
    files.create(layout.video_file("abc"), b"noised")
    assert local_path(files, layout.video_file("abc")).read_bytes() == b"noised"
