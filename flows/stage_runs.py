"""How each stage is done: read its inputs, cut the work into shards, call the stage, write what it returns.

Every function takes a session, the round and an attempt, and returns the number of shards; a shard that is committed
already is skipped.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from flows.session import Session
from flows.stage_specs import window_rounds
from flows.terminal import log_folder
from stages.alterations import cue, make_harder
from stages.augment import add_hints, augmentation
from stages.curate import curate
from stages.difficulty import difficulty_record
from stages.evaluate import evaluate, to_evaluate
from stages.metrics.benchmarks import benchmark_of
from stages.rollout import Asked, Query, as_in_the_data, roll_out, to_roll_out
from stages.select import select
from stages.share import within_share
from storage.altered import store_altered
from storage.difficulty import difficulty
from storage.groups import group_rewards
from storage.layout import address
from storage.parallel import one_ahead
from storage.progress import Progress
from storage.records import Augmentation, Curated, Difficulty, Dropped, Rollout, Sample, Selected
from storage.shards import Attempt, Manifest, read_records

if TYPE_CHECKING:
    from trainer.training import TrainInputs

A = TypeVar("A")
B = TypeVar("B")
R = TypeVar("R")
T = TypeVar("T")
StageRun = Callable[[Session, int, Attempt, Progress], int]


def run_select(session: Session, r: int, attempt: Attempt, progress: Progress) -> int:
    """The round's samples."""
    ids = [sample.sample_id for sample in session.split("train")]
    config = session.config
    rows = select(ids, config.select, run_id=session.run.identity.run_id, seed=config.seed, round_index=r)
    attempt.write(0, {"selected": rows})
    return 1


def run_rollout(session: Session, r: int, attempt: Attempt, progress: Progress) -> int:
    """The original groups."""
    first = r * session.config.select.samples_per_round  # every earlier round selected as many
    queries = []
    for row in _read(session, Selected, "selected", address(r, "select")):
        queries.append(as_in_the_data(session.samples[row.sample_id], "original", first + row.position))
    return _roll_out(session, r, attempt, queries, progress)


def run_difficulty(session: Session, r: int, attempt: Attempt, progress: Progress) -> int:
    """Eq. 9 of every sample that was rolled out."""
    config, run = session.config, session.run
    manifests = [run.ledger.current(address(i, "rollout")) for i in [*window_rounds(config, r), r]]
    groups = group_rewards(run.files, [m for m in manifests if m is not None])
    found = difficulty(
        groups,
        round_index=r,
        window_size=config.difficulty.window_size,
        window_unit=config.difficulty.window_unit,
        absolute_reward=config.difficulty.absolute_reward if config.difficulty.reference == "absolute" else None,
    )
    index = dict(zip(groups["sample_id"].to_pylist(), groups["group_index"].to_pylist(), strict=True))
    rows = [
        difficulty_record(
            row,
            run_id=run.identity.run_id,
            round_index=r,
            group_index=index[row["sample_id"]],
            config=config.difficulty,
        )
        for row in found.to_pylist()
    ]
    attempt.write(0, {"difficulty": rows})
    return 1


def run_augment(session: Session, r: int, attempt: Attempt, progress: Progress) -> int:
    """Noise or masked frames for the easy samples, cues or hints for the hard ones."""
    config = session.config.augment
    rows = list(_read(session, Difficulty, "difficulty", address(r, "difficulty")))
    labels = [name for name, on in (("easy", config.increasing), ("hard", config.decreasing)) if on != "off"]
    todo = [row for row in rows if row.label in labels]
    if not todo:
        return 0
    within = within_share(todo, config.max_share, len(rows))
    scene, store = session.scene("augment", r), partial(store_altered, session.run.files)

    def alter(chunk: Sequence[Difficulty]) -> tuple[list[Augmentation | Dropped], list[tuple[Sample, Difficulty]]]:
        altered: list[Augmentation | Dropped] = []
        to_hint = list[tuple[Sample, Difficulty]]()
        for row in chunk:
            sample = session.samples[row.sample_id]
            if row.sample_id not in within:
                altered.append(augmentation(sample, row, scene, reason="share"))
                continue
            found = (make_harder if row.label == "easy" else cue)(sample, row, config, scene, store)
            if found is None:
                to_hint.append((sample, row))
            else:
                altered.append(found)
        return altered, to_hint

    def hint(
        altered: Sequence[Augmentation | Dropped], to_hint: Sequence[tuple[Sample, Difficulty]]
    ) -> dict[str, list[Any]]:
        longest = session.config.engine.max_model_len
        hinted, traces, dropped = add_hints(to_hint, config, session.config.rollout, scene, max_model_len=longest)
        augmented = [row for row in altered if isinstance(row, Augmentation)] + hinted
        dropped += [row for row in altered if isinstance(row, Dropped)]
        return {"augmentations": augmented, "hint_traces": traces, "dropped": dropped}

    return _in_shards(attempt, todo, config.shard_size, alter, hint, progress, "augment")


def run_rollout_augmented(session: Session, r: int, attempt: Attempt, progress: Progress) -> int:
    """The augmented groups, and the controls that show what the augmentation did."""
    rows = _read(session, Difficulty, "difficulty", address(r, "difficulty"))
    index = {row.sample_id: row.group_index for row in rows}
    queries = []
    for row in _read(session, Augmentation, "augmentations", address(r, "augment")):
        if row.kind == "none":
            continue
        sample, group_index = session.samples[row.sample_id], index[row.sample_id]
        what = (row.media, row.kind, row.level, row.hint, row.alteration)
        queries.append(Query(sample, "augmented", group_index, *what))
        if row.control:
            queries.append(as_in_the_data(sample, "control", group_index))
    return _roll_out(session, r, attempt, queries, progress)


def run_curate(session: Session, r: int, attempt: Attempt, progress: Progress) -> int:
    """The groups to train on."""
    rollouts = itertools.chain.from_iterable(
        _read(session, Rollout, "rollouts", address(r, stage)) for stage in ("rollout", "rollout_augmented")
    )
    run_id, seed = session.run.identity.run_id, session.config.seed
    config = session.config.curate
    groups, dropped = curate(
        rollouts,
        run_id=run_id,
        seed=seed,
        round_index=r,
        noisy_rollout=config.noisy_rollout,
        keep_equal=config.equal_rewards == "keep",
    )
    attempt.write(0, {"dropped": dropped})
    size = config.shard_size
    for i, start in enumerate(range(0, len(groups), size)):
        attempt.write(i + 1, {"curated": [row for group in groups[start : start + size] for row in group]})
    return 1 + -(-len(groups) // size)


def run_train(session: Session, r: int, attempt: Attempt, progress: Progress) -> int:
    """The next policy. The engine lets go of the accelerator first."""
    session.release_engine()
    from trainer.launch import train_round

    return train_round(attempt, train_inputs(session, r), session.config.train, progress)


def train_inputs(session: Session, r: int) -> TrainInputs:
    """What a round's training starts from."""
    from trainer.training import TrainInputs

    rows = _read(session, Curated, "curated", address(r, "curate"))
    groups = [[row.rollout for row in group] for _, group in itertools.groupby(rows, key=lambda row: row.position)]
    return TrainInputs(
        groups=groups,
        policy=session.policy(r).path,
        reference=session.checkpoint,
        optimizer=session.optimizer(r),
        locate=session.locate,
        scratch=session.run.files.scratch,
        run_id=session.run.identity.run_id,
        round_index=r,
        seed=session.config.seed,
        first_step=sum(manifest.rows("train_steps") for manifest in _trained_before(session, r)),
        logs=log_folder(session.run.files.url),
        adapter=session.adapter(r),
        cache=session.cache,
    )


def _trained_before(session: Session, r: int) -> list[Manifest]:
    found = (session.run.ledger.current(address(i, "train")) for i in range(r))
    return [manifest for manifest in found if manifest is not None]


def run_evaluate(session: Session, r: int, attempt: Attempt, progress: Progress) -> int:
    """Responses of the policy that enters the round to the validation split."""
    scene, config = session.scene("evaluate", r), session.config.evaluate
    benchmark = benchmark_of(session.config.data.name)

    def ask(asked: Sequence[Asked], dropped: list[Dropped]) -> dict[str, list[Any]]:
        return {"evaluations": evaluate(asked, config, scene, benchmark), "dropped": dropped}

    prepare = partial(to_evaluate, scene=scene)
    return _in_shards(attempt, session.split("validation"), config.shard_size, prepare, ask, progress, "evaluate")


RUNS: dict[str, StageRun] = {
    "select": run_select,
    "rollout": run_rollout,
    "difficulty": run_difficulty,
    "augment": run_augment,
    "rollout_augmented": run_rollout_augmented,
    "curate": run_curate,
    "train": run_train,
    "evaluate": run_evaluate,
}


def _roll_out(session: Session, r: int, attempt: Attempt, queries: Sequence[Query], progress: Progress) -> int:
    if not queries:
        return 0
    scene = session.scene(attempt.address.split("/")[1], r)

    def ask(asked: Sequence[Asked], dropped: list[Dropped]) -> dict[str, list[Any]]:
        return {"rollouts": roll_out(asked, session.config.rollout, scene), "dropped": dropped}

    prepare = partial(to_roll_out, scene=scene)
    return _in_shards(attempt, queries, session.config.rollout.shard_size, prepare, ask, progress, "roll out")


def _in_shards(
    attempt: Attempt,
    items: Sequence[T],
    size: int,
    prepare: Callable[[Sequence[T]], tuple[A, B]],
    finish: Callable[[A, B], Mapping[str, Sequence[Any]]],
    progress: Progress,
    what: str,
) -> int:
    """Writes a shard of each `size` items that has none yet: `finish` of what `prepare` made of them.

    The next shard is prepared, its videos read, while the engine is at work on this one.
    """
    starts = range(0, len(items), size)
    todo = [index for index in range(len(starts)) if not attempt.committed(index)]
    with one_ahead(prepare, (items[starts[index] : starts[index] + size] for index in todo)) as prepared:
        for index in todo:
            progress(what, starts[index], len(items))
            attempt.write(index, finish(*next(prepared)))
    progress(what, len(items), len(items))
    return len(starts)


def _read(session: Session, record: type[R], table: str, stage_address: str) -> Iterator[R]:
    manifest = session.run.ledger.current(stage_address)
    assert manifest is not None, f"{stage_address} is not complete"  # run_stage has checked the inputs
    return read_records(session.run.files, record, table, manifest)
