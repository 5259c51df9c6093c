"""Which attempts are current, on a chain of three stages a -> b -> c whose output the test chooses."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from storage import layout
from storage.digest import sha256_value
from storage.files import Files
from storage.records import Selected
from storage.run import Identity, Run, Settings
from storage.shards import Manifest, read_records
from storage.staleness import Ledger, StageSettings

A, B, C = (layout.address(0, stage) for stage in "abc")
INPUTS = {A: ["data"], B: [A], C: [B]}
DONE, STALE, MISSING = ("done", ""), ("stale", ""), ("missing", "")


def stage_settings(b: int = 1, version: int = 1) -> dict[str, StageSettings]:
    return {"a": StageSettings(1, {}), "b": StageSettings(version, {"size": b}), "c": StageSettings(1, {})}


def open_run(root: Path, b: int = 1, version: int = 1) -> Run:
    settings = Settings({}, stage_settings(b, version))
    return Run.create(str(root / "run"), Identity("d", "p", 7), settings, accept_changes=True)


def begin(run: Run, place: str, *, force: bool = False) -> Any:
    inputs = {name: run.ledger.digest(name) for name in INPUTS[place]}
    assert None not in inputs.values()
    return run.attempt(place, {name: str(digest) for name, digest in inputs.items()}, force=force)


def do(run: Run, place: str, value: str = "same", *, force: bool = False) -> Manifest:
    """Does one stage; `value` decides the bytes of its output."""
    attempt = begin(run, place, force=force)
    attempt.write(0, {"selected": [Selected("run", 0, 0, 0, value)]})
    return run.commit(attempt, 1, {})


def do_all(run: Run) -> None:
    for place in (A, B, C):
        do(run, place)


def states(run: Run) -> list[tuple[str, str]]:
    """States of a, b and c; the same for whoever opens the run anew."""
    found = [run.ledger.state(place) for place in (A, B, C)]
    anew = Ledger(run.files, run.settings.stages, 7, {"data": "d", "initial_policy": "p"})
    assert [anew.state(place) for place in (A, B, C)] == found
    return found


def values(run: Run, place: str) -> list[str]:
    manifest = run.ledger.current(place)
    assert manifest is not None
    return [row.sample_id for row in read_records(run.files, Selected, "selected", manifest)]


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_stages_go_from_missing_to_done_in_order(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    assert states(run) == [MISSING, MISSING, MISSING]
    do(run, A)
    assert states(run) == [DONE, MISSING, MISSING]
    do(run, B)
    do(run, C)
    assert states(run) == [DONE, DONE, DONE]
    assert run.ledger.addresses() == [A, B, C]


def test_a_later_round_has_its_own_attempts(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    do_all(run)
    later = layout.address(1, "a")
    run.commit(run.attempt(later, {"data": "d"}), 0, {})
    assert run.ledger.addresses() == [A, B, C, later]
    assert run.ledger.current(A) != run.ledger.current(later)
    assert run.ledger.state(layout.address(1, "b")) == MISSING


def test_identical_bytes_keep_successors(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    do_all(run)
    first = run.ledger.current(A)
    second = do(run, A, force=True)
    assert run.ledger.current(A) == second != first
    assert states(run) == [DONE, DONE, DONE]


def test_other_bytes_make_every_successor_stale_and_a_third_attempt_can_bring_them_back(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    do_all(run)
    do(run, A, "other", force=True)
    assert states(run) == [DONE, STALE, STALE]
    do(run, A, "same", force=True)
    assert states(run) == [DONE, DONE, DONE]


def test_stale_successors_are_redone_one_by_one(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    do_all(run)
    do(run, A, "other", force=True)
    do(run, B, "new b")
    assert states(run) == [DONE, DONE, STALE]
    do(run, C)
    assert states(run) == [DONE, DONE, DONE]
    assert values(run, B) == ["new b"]


def test_a_redone_stage_with_its_old_output_keeps_what_follows_it(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    do_all(run)
    do(run, A, "other", force=True)
    do(run, B)  # says the same about another input
    assert states(run) == [DONE, DONE, DONE]


def test_changed_settings_make_a_stage_and_its_successors_stale_but_not_what_it_reads(tmp_path: Path) -> None:
    do_all(open_run(tmp_path))
    run = open_run(tmp_path, b=2)
    assert states(run) == [DONE, STALE, STALE]
    do(run, B, "of size 2")
    assert states(run) == [DONE, DONE, STALE]


def test_restored_settings_find_what_was_done_with_them(tmp_path: Path) -> None:
    do_all(open_run(tmp_path))
    changed = open_run(tmp_path, b=2)
    do(changed, B, "of size 2")
    do(changed, C)
    run = open_run(tmp_path, b=1)
    assert states(run) == [DONE, DONE, DONE]
    assert values(run, B) == ["same"]


def test_a_new_version_of_a_stage_makes_its_output_and_what_follows_stale(tmp_path: Path) -> None:
    do_all(open_run(tmp_path))
    assert states(open_run(tmp_path, version=2)) == [DONE, STALE, STALE]


def test_other_data_or_another_seed_make_everything_stale(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    do_all(run)
    for seed, data in ((8, "d"), (7, "other"), (8, "other")):
        ledger = Ledger(run.files, stage_settings(), seed, {"data": data, "initial_policy": "p"})
        assert [ledger.state(place) for place in (A, B, C)] == [STALE, STALE, STALE]


def test_a_stage_that_is_no_longer_known_is_stale(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    do_all(run)
    known = {name: value for name, value in stage_settings().items() if name != "b"}
    ledger = Ledger(run.files, known, 7, {"data": "d"})
    assert [ledger.state(place) for place in (A, B, C)] == [DONE, STALE, STALE]


@pytest.mark.parametrize("seconds", [1, 4_000_000_000])
def test_clocks_do_not_matter(tmp_path: Path, seconds: int) -> None:
    run = open_run(tmp_path)
    do_all(run)
    do(run, A, "other", force=True)
    do(run, B, "new b")
    before = states(run)
    assert before == [DONE, DONE, STALE]
    assert values(run, A) == ["other"]
    for path in (tmp_path / "run").rglob(layout.MANIFEST):
        body = json.loads(path.read_bytes())
        body.pop("seal")
        body["info"]["ended"] = seconds - body["number"]  # later attempts claim to be earlier
        path.write_text(json.dumps(body | {"seal": sha256_value(body)}))
    everything = sorted((tmp_path / "run").rglob("*"))
    assert len(everything) > 20
    for i, path in enumerate(everything):
        os.utime(path, (seconds + i, seconds + i))
    for path in (tmp_path / "run").rglob(f"{B}/*/0"):
        os.utime(path, (seconds - 1, seconds - 1))  # older than everything that it was made from
    assert states(open_run(tmp_path)) == before
    assert values(open_run(tmp_path), A) == ["other"]


def test_failed_shows_the_latest_reason_and_done_forgets_it(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    do(run, A)
    for i in range(12):
        begin(run, B).fail(f"reason {i}")
        assert states(open_run(tmp_path)) == [DONE, ("failed", f"reason {i}"), MISSING]
    do(run, B)
    assert states(run) == [DONE, DONE, MISSING]


def test_a_failed_attempt_goes_on_under_its_number_with_its_shards(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    attempt = begin(run, A)
    attempt.write(0, {"selected": [Selected("run", 0, 0, 0, "before")]})
    attempt.fail("out of memory")
    again = begin(open_run(tmp_path), A)
    assert (again.number, again.key) == (attempt.number, attempt.key)
    assert again.committed(0)
    assert not again.committed(1)


def test_unfinished_is_what_has_shards_and_no_manifest(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    begin(run, A).write(0, {"selected": []})
    assert states(open_run(tmp_path)) == [("unfinished", ""), MISSING, MISSING]
    assert run.ledger.current(A) is None
    assert run.ledger.digest(A) is None


def test_force_writes_the_next_number_and_never_touches_an_earlier_one(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    first = do(run, A, "first")
    before = snapshot(tmp_path / "run" / first.folder)
    second = do(run, A, "second", force=True)
    third = do(open_run(tmp_path), A, "third", force=True)
    assert [m.number for m in (first, second, third)] == [0, 1, 2]
    assert first.key == second.key == third.key
    assert snapshot(tmp_path / "run" / first.folder) == before
    assert values(open_run(tmp_path), A) == ["third"]


def test_the_highest_number_counts_and_ten_is_more_than_nine(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    for i in range(12):
        assert do(run, A, f"attempt {i}", force=True).number == i
    anew = open_run(tmp_path)
    assert values(anew, A) == ["attempt 11"]
    assert [m.number for m in anew.ledger.manifests()] == list(range(12))


def test_a_forced_attempt_that_was_interrupted_goes_on_and_until_then_the_old_one_counts(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    do_all(run)
    begin(run, A, force=True).write(0, {"selected": [Selected("run", 0, 0, 0, "forced")]})
    anew = open_run(tmp_path)
    assert states(anew) == [DONE, DONE, DONE]
    assert values(anew, A) == ["same"]
    again = begin(anew, A, force=True)
    assert again.number == 1
    assert again.committed(0)
    anew.commit(again, 1, {})
    assert states(anew) == [DONE, STALE, STALE]
    assert values(anew, A) == ["forced"]


def test_stages_that_read_each_other_are_never_current(tmp_path: Path) -> None:
    """Nobody can do them so; a run that claims it is not believed, and reading it ends."""
    run = open_run(tmp_path)
    digest = do(run, A).digest  # the same rows give every stage the same digest
    for place, source in ((B, C), (C, B)):
        attempt = run.attempt(place, {source: digest})
        attempt.write(0, {"selected": [Selected("run", 0, 0, 0, "same")]})
        assert run.commit(attempt, 1, {}).digest == digest
    assert states(run) == [DONE, STALE, STALE]


def test_an_empty_run_has_no_address(tmp_path: Path) -> None:
    ledger = Ledger(Files(tmp_path), stage_settings(), 7, {})
    assert ledger.addresses() == []
    assert ledger.manifests() == []
    assert ledger.state(A) == MISSING
    assert ledger.digest("data") is None


def test_a_new_attempt_has_no_earlier_round_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the hundredth round would cost a hundred times what the first one did."""
    run, looked_at = open_run(tmp_path), list[str]()
    is_valid = Ledger._is_valid

    def noted(self: Ledger, manifest: Manifest) -> bool:
        looked_at.append(manifest.address)
        return is_valid(self, manifest)

    monkeypatch.setattr(Ledger, "_is_valid", noted)
    for r in range(4):
        monkeypatch.setitem(INPUTS, layout.address(r, "a"), [layout.address(r - 1, "a")] if r else ["data"])
        looked_at.clear()
        do(run, layout.address(r, "a"))
        assert run.ledger.state(layout.address(r, "a")) == DONE
        assert set(looked_at) == {layout.address(r, "a")}
