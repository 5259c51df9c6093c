"""One round of training, for tests: real curated groups of the shipped model, and what their training left."""

from dataclasses import replace
from pathlib import Path

from flows.config import load_config
from stages.deterministic_engine import DeterministicEngine
from stages.rollout import Scene, as_in_the_data, roll_out, to_roll_out
from storage.datasets import shapes
from storage.files import Files
from storage.records import TrainRollout, TrainStep
from storage.shards import Attempt
from trainer.config import TrainConfig
from trainer.launch import train_round
from trainer.policy import load_policy, load_processor
from trainer.training import TrainInputs

CONFIG = TrainConfig(learning_rate=1e-4, groups_per_batch=4, updates_per_batch=2, dtype="float32", kl_weight=0.5)


def five_groups(root, checkpoint):
    """Groups with unequal rewards, four responses each; their videos are made below `root`."""
    shapes.generate(root, seed=9, num_train=48, num_validation=0)
    config = load_config("tiny", ["rollout.group_size=4"])
    engine = DeterministicEngine(config.video, checkpoint)
    processor = load_processor(checkpoint)
    scene = Scene("run", 0, "rollout", 0, 0, engine, processor, config.video, config.prompts, config.rewards, Path)
    queries = [as_in_the_data(s, "original", i) for i, s in enumerate(shapes.load(root))]
    rows = roll_out(to_roll_out(queries, scene)[0], config.rollout, scene)
    found = [rows[i : i + 4] for i in range(0, len(rows), 4)]
    live = [group for group in found if len({row.reward for row in group}) > 1]
    assert len(live) >= 5
    return live[:5]


def nothing(what, done, total, **figures):
    """A progress that nobody watches."""


def run(folder, groups, checkpoint, config=CONFIG, progress=nothing, **changes):
    """Trains one round; returns the attempt and its rows."""
    files = Files(folder)
    attempt = Attempt(files, "00000/train", "key", 0, 1, {}, 0, {})
    inputs = TrainInputs(groups, checkpoint, checkpoint, None, Path, files.scratch, "run", 0, 0)
    num_shards = train_round(attempt, replace(inputs, **changes), config, progress)
    rows = [
        [row for i in range(1, num_shards) for row in attempt.read_shard(record, table, i)]
        for record, table in ((TrainStep, "train_steps"), (TrainRollout, "train_rollouts"))
    ]
    return attempt, *rows


def saved(attempt, name="checkpoint"):
    return attempt.files.local(f"{attempt.folder}/{attempt.info[name + '_folder']}")


def weights(folder):
    return {name: value.clone() for name, value in load_policy(folder, trainable=False).state_dict().items()}
