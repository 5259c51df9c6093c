"""Everything a user can get wrong, one row each: exit code, the one line that is printed, and nothing lost.

A row's `arguments` are words as in a shell, in which {run} is a finished run (a copy of its own), {new} a folder that
is not there, {tmp} the folder of both and {port} a port that somebody listens on. `says` must match the line as a
whole, its remedy included. Exit code 2 is the user's mistake, 1 a fault of the machine.
"""

# ruff: noqa: E501  (one row a line)

import hashlib
import json
import os
import re
import shlex
import shutil
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import av
import pytest
from conftest import call, one_line
from own_clips import clips, questions
from s3fs import S3FileSystem
from served import free_port
from small_disk import disk, fill, remount
from small_run import SMALL, complete

from flows.config import load_config
from flows.session import find_checkpoint
from storage.files import Files
from storage.lock import run_lock
from storage.query import query
from storage.run import Run

TINIEST = [
    *SMALL,
    "rounds=1",
    "data.num_train=8",
    "data.num_validation=2",
    "select.samples_per_round=4",
    "train.updates_per_batch=1",
]
RUN = "run tiny " + " ".join(f"--set {override}" for override in TINIEST)
NEW = f"{RUN} --run-dir {{new}}"
AGAIN = f"{RUN} --run-dir {{run}}"
FROM_FILE = "run {tmp}/c.toml --run-dir {new}"
CLIPS = f"--set data.name=jsonl --set data.paths.annotations={{tmp}}/own.jsonl --set data.paths.video_root={clips()}"
OWN = f"{NEW} {CLIPS}"
CHECK = f"check-data tiny --run-dir {{run}} {CLIPS} --set select.samples_per_round=4"
MODEL = f"{NEW} --set model.path={{tmp}}/model"
HELP = r" \(see deepvideo --help\)"
NO_RUN = r"no run is there \(run.json is missing\); start one with: deepvideo run CONFIG"
ONLY_READS = r"; `deepvideo sql` only reads"
TABLES = r'; `deepvideo sql "show tables"` names the tables, "describe rollouts" the columns of one'
IDENTITY = r"data(, initial policy)? and seed are a run's identity: choose another --run-dir or restore them"
LESS = r"nput should be greater than or equal to"


@dataclass
class Place:
    """Where a row's mistake is made: a folder, in it perhaps a copy of the finished run, and what is undone after."""

    tmp: Path
    finished: Path
    stack: ExitStack
    patch: pytest.MonkeyPatch
    listening: socket.socket = field(default_factory=socket.socket)

    @property
    def run(self) -> Path:
        return self.tmp / "run"


@dataclass(frozen=True)
class Wrong:
    """A mistake: its name, the command, the line it must print, the exit code, and how it is made."""

    name: str
    arguments: str
    says: str
    code: int = 2
    make: Callable[[Place], object] = lambda place: None


def toml(text):
    data = text if isinstance(text, bytes) else text.encode()
    return lambda place: (place.tmp / "c.toml").write_bytes(data)


def written(path, text):
    return lambda place: (place.tmp / path).write_text(text)


def without(path):
    def make(place):
        target = place.tmp / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return make


def model(damage):
    """A copy of the shipped checkpoint at {tmp}/model, damaged."""

    def make(place):
        shutil.copytree(find_checkpoint("builtin:tiny"), place.tmp / "model")
        damage(place.tmp / "model")

    return make


def own(rows):
    """{tmp}/own.jsonl, with these rows."""
    return lambda place: (place.tmp / "own.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def busy(place):
    place.stack.enter_context(run_lock(Files(place.run)))


def full_disk(place):
    """A copy of the run on a disk without a free byte."""
    small = place.stack.enter_context(disk(place.tmp / "disk", 64))
    shutil.copytree(place.finished, small / "run")
    fill(small, 0)


def read_only_disk(place):
    small = place.stack.enter_context(disk(place.tmp / "disk", 64))
    shutil.copytree(place.finished, small / "run")
    remount(small, "ro")


def no_codec(name):
    """PyAV's list of what its FFmpeg has, which the program reads, without one."""
    return lambda place: place.patch.setattr(av, "codecs_available", av.codecs_available - {name})


def store(*credentials):
    """An S3 endpoint that nobody listens on."""

    def make(place):
        S3FileSystem.clear_instance_cache()  # one that was made with other credentials would be used again
        named = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}", "AWS_EC2_METADATA_DISABLED": "true"}
        named |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_MAX_ATTEMPTS": "1"}
        named |= dict.fromkeys(credentials, "x")
        for name in {*os.environ} - {*named}:
            if name.startswith("AWS_"):
                place.patch.delenv(name)
        for name, value in named.items():
            place.patch.setenv(name, value)

    return make


SETTINGS = [
    Wrong("unknown setting", FROM_FILE, r".*c.toml: unknown setting rollout.group_sise; did you mean rollout.group_size\?", make=toml("[rollout]\ngroup_sise = 8")),
    Wrong("unknown setting in the wrong section", FROM_FILE, r".*unknown setting temperature; did you mean rollout.temperature\?", make=toml("temperature = 1.0")),
    Wrong("unknown section", FROM_FILE, r".*unknown setting sampler; there are seed, rounds, .*evaluate", make=toml("[sampler]\nsize = 1")),
    Wrong("group of one", FROM_FILE, rf".*rollout.group_size is 1: i{LESS} 2", make=toml("[rollout]\ngroup_size = 1")),
    Wrong("temperature too high", f"{NEW} --set rollout.temperature=9", r"--set rollout.temperature=9: rollout.temperature is 9: input should be less than or equal to 2"),
    Wrong("infinite learning rate", f"{NEW} --set train.learning_rate=inf", r".*train.learning_rate is inf: input should be a finite number"),
    Wrong("seed too large", f"{NEW} --set seed=4294967296", r".*seed is 4294967296: input should be less than 4294967296"),
    Wrong("wrong type", FROM_FILE, r".*train.learning_rate is 'fast': input should be a valid number.*", make=toml("[train]\nlearning_rate = 'fast'")),
    Wrong("value for a section", f"{NEW} --set rollout=8", r".*rollout is 8, but it is a section: set rollout.group_size"),
    Wrong("wrong union tag", FROM_FILE, r".*train.loss needs a type, one of: dpo, .*, sft; did you mean dpo\?", make=toml("[train.loss]\ntype = 'ppo'")),
    Wrong("setting of the other loss", FROM_FILE, r".*unknown setting train.loss.std_floor; there are advantage_eps, clip, clip_high, clip_low, group_std, type", make=toml("[train.loss]\ntype = 'grpo'\nstd_floor = 0.1")),
    Wrong("DPO on what the policy sampled", FROM_FILE, r'.*train.loss.type is dpo, rollout.policy current: .*; give rollout.policy = "reference", or train.loss.type = "online_dpo"', make=toml("[train.loss]\ntype = 'dpo'")),
    Wrong("Reg-GRPO on what the reference sampled", f"{NEW} --set rollout.policy=reference", r'.*rollout.policy is reference, train.loss.type reg_grpo: .*; give rollout.policy = "current", or .*'),
    Wrong("pairs of equal rewards", FROM_FILE, r'.*curate.equal_rewards is keep, train.loss.type online_dpo: .*; give "drop"', make=toml("[train.loss]\ntype = 'online_dpo'\n[curate]\nequal_rewards = 'keep'")),
    Wrong("a KL target from weight 0", f"{NEW} --set train.kl_target=0.1 --set train.kl_weight=0", r".*train.kl_target is 0.1, kl_weight 0: .*; start above it"),
    Wrong("LoRA on a layer that is not there", f"{NEW} --set 'train.lora.target_modules=[\"q_prj\"]'", r'train.lora.target_modules: the language model has no linear layer q_prj; it has down_proj, .*, v_proj, or "all-linear" for all of them'),
    Wrong("LoRA layers that are no list", f"{NEW} --set train.lora.target_modules=q_proj", r""".*train.lora.target_modules is 'q_proj': should be a list of layer names, or "all-linear\""""),
    Wrong("two mistakes", FROM_FILE, rf".*rounds is 0: i{LESS} 1; unknown setting seeed; did you mean seed\?", make=toml("seeed = 1\nrounds = 0")),
    Wrong("bad TOML", FROM_FILE, r".*c.toml: not valid TOML: .*line 1, column 8\); the preset .*tiny.toml shows the form", make=toml("seed = = 1")),
    Wrong("not UTF-8", FROM_FILE, r".*c.toml: not text in UTF-8 \(byte 0\), as TOML must be; save it as UTF-8", make=toml("seed = 1".encode("utf-16"))),
    Wrong("a folder as configuration", "run {tmp} --run-dir {new}", r".*cannot be read \(Is a directory\); give a TOML file, or a preset: .*tiny, tiny_benchmark.*"),
    Wrong("missing file", "run {tmp}/c.toml --run-dir {new}", r".*c.toml: cannot be read \(No such file or directory\); give a TOML file, or a preset: .*tiny, tiny_benchmark.*"),
    Wrong("unknown preset", "run tini --run-dir {new}", r"tini: cannot be read \(.*\); did you mean tiny\? give a TOML file, or a preset: .*tiny, tiny_benchmark.*"),
    Wrong("--set without a value", f"{NEW} --set rounds", r"--set 'rounds': must be name=value on one line, e.g. --set rollout.group_size=8"),
    Wrong("--set without a name", f"{NEW} --set =3", r"--set '=3': must be name=value .*"),
    Wrong("--set with a second line", f"{NEW} --set 'rounds=3\nseed=1'", r"--set 'rounds=3\\nseed=1': must be name=value on one line.*"),
    Wrong("--set below a value", f"{NEW} --set rounds.deep=1", r"--set rounds.deep=1: rounds is a value, not a section"),
    Wrong("rounds larger than the data", f"{NEW} --set select.samples_per_round=9", r".*select.samples_per_round is 9, data.num_train 8: .* ask for fewer, or for more data"),
    Wrong("responses longer than the engine takes", f"{NEW} --set rollout.max_new_tokens=512", r".*rollout.max_new_tokens is 512, engine.max_model_len 512: .* lower the one or raise the other"),
    Wrong("evaluation longer than the engine takes", f"{NEW} --set evaluate.max_new_tokens=600", r".*evaluate.max_new_tokens is 600, engine.max_model_len 512: .*raise the other"),
    Wrong("fewest pixels above the most", f"{NEW} --set video.min_pixels=50000", r"--set video.min_pixels=50000: video.min_pixels is 50000, max_pixels 12544: .*"),
    Wrong("odd groups to be mixed", f"{NEW} --set rollout.group_size=5 --set curate.noisy_rollout=true", r".*rollout.group_size is 5, curate.noisy_rollout true: its groups are half clean, half noisy; give an even size"),
    Wrong("least level above the highest", f"{NEW} --set difficulty.min_level=0.5 --set difficulty.max_level=0.4", r".*difficulty.min_level is 0.5, max_level 0.4: no level is between them; to augment nothing, .*"),
    Wrong("no round in a demo", "demo --rounds 0 --run-dir {new}", rf"Invalid value for '--rounds': I{LESS} 1{HELP}"),
]  # fmt: skip

DATA = [
    Wrong("data set that nobody reads", f"{NEW} --set data.name=jsnol", r".*data.name is 'jsnol': input should be 'shapes', .*; did you mean jsonl\?"),
    Wrong("own data without a file", f"{NEW} --set data.name=jsonl", r"data.paths.annotations is missing; jsonl takes annotations, video_root"),
    Wrong("missing annotations", OWN, r"data.paths.annotations: .*/own.jsonl is not there; give an existing file or folder"),
    Wrong("missing annotations of a plan", f"{OWN} --dry-run", r"data.paths.annotations: .*/own.jsonl is not there; give an existing file or folder"),
    Wrong("bad annotation row", OWN, r".*/own.jsonl:14: answer is \"E\": the letter of an option, A to D; mend the row, or give data.on_bad_row = report to go on without it", make=own([*questions(), questions()[0] | {"sample_id": "odd", "answer": "E"}])),
    Wrong("video outside the data root", OWN, r".*/own.jsonl:1: video is \"../bikes.mp4\": a file below the data root; mend the row, .*", make=own([questions()[0] | {"video": "../bikes.mp4"}])),
    Wrong("fewer samples than a round", f"{OWN} --set select.samples_per_round=11", r"select.samples_per_round is 11, but jsonl has 10 training samples: .* ask for fewer, or give more data", make=own(questions())),
    Wrong("nothing to evaluate on", OWN, r"jsonl has no validation sample, .*: give rows of that split, other files in data.validation, or a data.validation_share above 0", make=own(questions()[:10])),
    Wrong("data that another run holds", CHECK, rf".*holds another run \(its data differ\); {IDENTITY}", make=own(questions())),
    Wrong("data with a broken video", CHECK, r"1 wrong: 0 rows, 1 files, 0 spans or parts; mend what is listed above", make=own([*questions(), questions()[0] | {"sample_id": "odd", "video": "odd.mp4"}])),
]  # fmt: skip

COMMANDS = [
    Wrong("unknown command", "runn tiny", rf"No such command 'runn'. Did you mean 'run'.*{HELP}"),
    Wrong("unknown option", "run tiny --sett seed=1", rf"No such option: --sett .*--set.*{HELP}"),
    Wrong("missing argument", "run", rf"Missing argument 'config'.{HELP}"),
    Wrong("missing option", "stage rollout --run-dir {run}", rf"Missing option '--round'.{HELP}"),
    Wrong(
        "one argument too many", "status here --run-dir {run}", rf"Got unexpected extra argument\(s\) \(here\){HELP}"
    ),
    Wrong("option without its value", "status --run-dir", rf"Option '--run-dir' requires an argument.{HELP}"),
]

MODELS = [
    Wrong("no checkpoint", f"{NEW} --set model.path={{tmp}}/none", r"model.path: .*/none: no checkpoint is there \(config.json is missing\); give a local folder or builtin:tiny"),
    Wrong("broken config.json", MODEL, r"model.path: .*model/config.json: cannot be read as JSON \(.*\); copy the checkpoint anew", make=model(lambda m: os.truncate(m / "config.json", 100))),
    Wrong("a language model without vision", MODEL, r"model.path: .*describes llama without a vision part; give .* a video language model", make=model(lambda m: (m / "config.json").write_text('{"model_type": "llama"}'))),
    Wrong("truncated weights", MODEL, r"model.path: .*model.safetensors: its weights cannot be read \(.*\); copy the checkpoint anew", make=model(lambda m: os.truncate(m / "model.safetensors", 2**20))),
    Wrong("no weights", MODEL, r"model.path: .*model: holds no weights .*; copy the whole checkpoint, or give another", make=model(lambda m: (m / "model.safetensors").unlink())),
]  # fmt: skip

RUNS = [
    Wrong("status of nothing", "status --run-dir {new}", rf".*new: {NO_RUN}"),
    Wrong("stage of nothing", "stage select --round 0 --run-dir {new}", rf".*new: {NO_RUN}"),
    Wrong("replay of nothing", "replay --round 0 --step 0 --run-dir {new}", rf".*new: {NO_RUN}"),
    Wrong("rescore of nothing", "rescore --round 0 --run-dir {new}", rf".*new: {NO_RUN}"),
    Wrong("trace of nothing", "trace shapes --run-dir {new}", rf".*new: {NO_RUN}"),
    Wrong("prune of nothing", "prune --keep-last 1 --run-dir {new}", rf".*new: {NO_RUN}"),
    Wrong("report of nothing", "report --run-dir {new}", rf".*new: {NO_RUN}"),
    Wrong("query of nothing", "sql 'select 1' --run-dir {new}", rf".*new: {NO_RUN}"),
    Wrong("verify of nothing", "verify --run-dir {new}", r".*new: no run is there \(run.json is missing\); give .*"),
    Wrong("a folder of something else", "status --run-dir {tmp}", NO_RUN.join((".*: ", "")), make=written("notes.txt", "x")),
    Wrong("run directory without a name", "status --run-dir ''", r"the run directory has no name; give a local folder or .*"),
    Wrong("a file as run directory", f"{RUN} --run-dir {{tmp}}/file", r".*file is a file, not a folder; choose another --run-dir", make=written("file", "x")),
    Wrong("run directory below a file", f"{RUN} --run-dir {{tmp}}/file/run", r".*file is a file, not a folder; choose another --run-dir", make=written("file", "x")),
    Wrong("another seed", f"{AGAIN} --set seed=5", rf".*'seed': 5.*{IDENTITY}"),
    Wrong("other data", f"{AGAIN} --set data.num_train=9", rf".*'num_train': 9.*{IDENTITY}"),
    Wrong("another model", f"{AGAIN} --set model.path={{tmp}}/model", rf".*holds another run \(its initial_policy differ\); {IDENTITY}", make=model(lambda m: (m / "generation_config.json").unlink())),
    Wrong("changed settings", f"{AGAIN} --set rollout.temperature=0.5", r".*make \d completed stages stale \(.*00000/rollout.*\); repeat with --accept-changes .*"),
    Wrong("a run that is at work", "stage select --round 0 --run-dir {run}", rf".*another process works on this run .*\"pid\": {os.getpid()}.* wait for it, stop it, or choose .*", make=busy),
    Wrong("damaged identity", "status --run-dir {run}", r"fault: DamagedRun: .*run.json: not a run's identity \(.*\); bring it back from a copy; details in .*", 1, written("run/run.json", "{")),
    Wrong("lost identity", "status --run-dir {run}", rf".*run: {NO_RUN}", make=without("run/run.json")),
    Wrong("damaged settings", "status --run-dir {run}", r"fault: DamagedRun: .*00000.json: not the settings that were written .*; remove it.*; details in .*", 1, written("run/settings/00000.json", "[]")),
    Wrong("unknown stage", "stage rolout --round 0 --run-dir {run}", r"rolout: no such stage; the stages are select, rollout, .*evaluate"),
    Wrong("negative round", "stage rollout --round -1 --run-dir {run}", rf"Invalid value for '--round': I{LESS} 0{HELP}"),
    Wrong("round that is no number", "stage rollout --round one --run-dir {run}", rf"Invalid value for '--round': .*integer.*{HELP}"),
    Wrong("round after the last", "stage select --round 1 --run-dir {run}", r"round 1: the last select of this run is in round 0, since rounds is 1; ask for more with: .*"),
    Wrong("evaluation after the last", "stage evaluate --round 99999999999999999999 --run-dir {run}", r"round 9+: the last evaluate .* round 1, since rounds is 1; ask for more with: .*"),
    Wrong("stage without its inputs", "stage train --round 0 --run-dir {run}", r"00000/train needs 00000/curate \(missing\); do that first: deepvideo run, or .*", make=without("run/rounds/00000/curate")),
    Wrong("replay of a round that is not there", "replay --round 3 --step 0 --run-dir {run}", r"00003/train is missing, not done: there is nothing to replay; deepvideo status"),
    Wrong("replay of a step that is not there", "replay --round 0 --step 99 --run-dir {run}", r"00000/train has \d+ optimiser steps, from 0: there is no step 99"),
    Wrong("replay with a negative tolerance", "replay --round 0 --step 0 --rtol -1 --run-dir {run}", rf"Invalid value for '--rtol': I{LESS} 0{HELP}"),
    Wrong("rescore of a round that is not there", "rescore --round 3 --run-dir {run}", r"00003/rollout: there are no stored responses to grade; do it first: deepvideo run"),
    Wrong("rescore of more than rewards", "rescore --round 0 --run-dir {run} --set rollout.temperature=0.5", r"00000/rollout: more than rewards changed \(rollout\): .*: deepvideo run"),
    Wrong("rescore without accuracy", "rescore --round 0 --run-dir {run} --set rewards.accuracy_weight=0", r".*rewards.accuracy_weight is 0: input should be greater than 0"),
    Wrong("unknown sample", "trace shapes-trian-00003 --run-dir {run}", r"shapes-trian-00003: no such sample; the nearest are shapes-train-00003, .*"),
    Wrong("samples that begin alike", "trace shapes-train --run-dir {run}", r"shapes-train: 8 samples begin so \(.*, ...\); give more of the id"),
    Wrong("prune of everything", "prune --keep-last 0 --run-dir {run}", rf"Invalid value for '--keep-last': I{LESS} 1{HELP}"),
]  # fmt: skip

QUERIES = [
    Wrong("syntax", "sql 'selec 1' --run-dir {run}", r".*not SQL that DuckDB understands: Parser Error: .*\"selec\"; write one SELECT"),
    Wrong("two statements", "sql 'select 1; select 2' --run-dir {run}", rf"one SELECT .* at a time, found SELECT, SELECT{ONLY_READS}"),
    Wrong("no statement", "sql '' --run-dir {run}", rf"one SELECT .* at a time, found nothing{ONLY_READS}"),
    Wrong("writing a table", "sql 'drop view rollouts' --run-dir {run}", rf"one SELECT .* at a time, found DROP{ONLY_READS}"),
    Wrong("writing a file", "sql \"copy rollouts to '{tmp}/out.csv'\" --run-dir {run}", rf"one SELECT .* at a time, found COPY{ONLY_READS}"),
    Wrong("running what is explained", "sql 'explain analyze select 1' --run-dir {run}", r"EXPLAIN ANALYZE runs its statement; use EXPLAIN alone: .*only reads"),
    Wrong("reading another file", "sql \"from read_text('{run}/run.json')\" --run-dir {run}", r"the query failed: Permission Error: .*; `deepvideo sql` reads the tables of its run alone"),
    Wrong("unknown table", "sql 'from rolouts' --run-dir {run}", rf".*name rolouts does not exist! Did you mean \"rollouts\"\?{TABLES}"),
    Wrong("unknown column", "sql 'select rewrd from rollouts' --run-dir {run}", rf".*\"rewrd\" not found .*Candidate bindings: \"reward\".*{TABLES}"),
    Wrong("unknown format", "sql 'select 1' --format xml --run-dir {run}", rf"Invalid value for '--format': .*'xml' is not one of 'table', 'csv', 'json', 'parquet'.{HELP}"),
]  # fmt: skip

MACHINE = [
    Wrong("port in use", "serve --port {port}", r"127.0.0.1:\d+: Address already in use; choose another --port, or name the server there in PREFECT_API_URL"),
    Wrong("port that is none", "serve --port 65536", rf"Invalid value for '--port': .*65535{HELP}"),
    Wrong("address of another machine", "serve --port {port} --host 203.0.113.1", r"203.0.113.1:\d+: Cannot assign requested address; choose another --port, or .*"),
    Wrong("no encoder for the data set", NEW, r"this PyAV has no h264 encoder; .*: reinstall its wheel: make install", make=no_codec("libx264")),
    Wrong("no encoder for altered videos", NEW, r"this PyAV has no ffv1 encoder; .*: reinstall its wheel: make install", make=no_codec("ffv1")),
    Wrong("full disk", "stage select --round 0 --force --run-dir {tmp}/disk/run", r".*disk.*: the disk is full; free some space and repeat the same command: what is committed is kept", 1, full_disk),
    Wrong("read-only disk", "stage select --round 0 --force --run-dir {tmp}/disk/run", r".*Read-only file system; make it writable, or choose another --run-dir", 1, read_only_disk),
    Wrong("new run on a read-only disk", f"{RUN} --run-dir {{tmp}}/disk/new", r".*Read-only file system; make it writable, or choose another --run-dir", 1, read_only_disk),
    Wrong("unknown kind of store", f"{RUN} --run-dir ftps3://bucket/run", r"ftps3://bucket/run: Protocol not known: ftps3; give a local folder or an s3:// URL"),
    Wrong("store without its package", f"{RUN} --run-dir gs://bucket/run", r"gs://bucket/run: .*install gcsfs.*; give a local folder or an s3:// URL"),
    Wrong("store without credentials", "status --run-dir s3://bucket/no-credentials", r"object store: Unable to locate credentials; check .*AWS_ACCESS_KEY_ID.*", 1, store()),
    Wrong("store that does not answer", "status --run-dir s3://bucket/no-answer", r"object store: Could not connect to the endpoint URL: .*; check AWS_ENDPOINT_URL, .*", 1, store("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")),
]  # fmt: skip

WRONG = [*SETTINGS, *DATA, *COMMANDS, *MODELS, *RUNS, *QUERIES, *MACHINE]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of one round."""
    folder = tmp_path_factory.mktemp("wrong") / "run"
    complete(folder, load_config("tiny", TINIEST))
    return folder


@pytest.fixture
def place(tmp_path, finished, monkeypatch):
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        kept = dict(os.environ)  # `serve` names its server there
        monkeypatch.delenv("PREFECT_API_URL", raising=False)
        monkeypatch.chdir(tmp_path)
        yield Place(tmp_path, finished, stack, monkeypatch, listening)
    os.environ.clear()
    os.environ.update(kept)


def digests(folder):
    """Every file below `folder` but logs and locks, whose contents say who was last at work."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "lock" and path.parent.name != "logs":
            found[path] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_a_wrong_input_is_one_line_with_its_remedy_and_nothing_is_lost(capfd, place, request, wrong):
    if "{run}" in wrong.arguments:
        shutil.copytree(place.finished, place.run)
    wrong.make(place)
    values = {"run": place.run, "new": place.tmp / "new", "tmp": place.tmp, "port": place.listening.getsockname()[1]}
    arguments = [re.sub(r"\{(\w+)\}", lambda name: str(values[name[1]]), word) for word in shlex.split(wrong.arguments)]
    before = digests(place.tmp)
    code, out, err = call(capfd, *arguments)
    line = one_line(err).removeprefix("deepvideo: ").rstrip("\n")
    request.node.user_properties.append(("printed", f"{code} {line}"))
    assert re.fullmatch(wrong.says, line)
    assert code == wrong.code
    assert "Traceback" not in out
    assert digests(place.tmp) == before


def renamed_codec(video):
    """The name of its codec, which no FFmpeg knows now."""
    data = video.read_bytes()
    assert data.count(b"avc1") >= 1
    video.write_bytes(data.replace(b"avc1", b"zzzz").replace(b"avcC", b"zzzC"))


VIDEOS = {
    "truncated": (lambda video: os.truncate(video, video.stat().st_size // 2), r"cannot be decoded|truncated"),
    "empty": (lambda video: os.truncate(video, 0), r"cannot be decoded"),
    "a text file": (lambda video: video.write_text("no video\n"), r"cannot be decoded"),
    "removed": (lambda video: video.unlink(), r"no such video file"),
    "a folder": (lambda video: (video.unlink(), video.mkdir()), r"no such video file"),
    "of an unknown codec": (renamed_codec, r"cannot be decoded|holds no|cannot decode its codec"),
    "replaced": (
        lambda video: shutil.copy(next(other for other in sorted(video.parent.iterdir()) if other != video), video),
        r"its bytes changed since the run began",
    ),
}


@pytest.mark.parametrize("damage", VIDEOS)
def test_a_video_that_cannot_be_used_drops_its_sample_with_the_reason_and_the_run_goes_on(
    capfd, place, request, damage
):
    break_it, reason = VIDEOS[damage]
    shutil.copytree(place.finished, place.run)
    sample = "shapes-validation-00001"
    break_it(place.run / "data" / "videos" / f"{sample}.mp4")
    before = digests(place.run / "rounds")
    code, _, err = call(capfd, "stage", "evaluate", "--round", 0, "--force", "--run-dir", place.run)
    assert (code, err) == (0, "")
    run = Run.open(str(place.run))
    dropped = query(run, "select sample_id, reason, detail from dropped where stage = 'evaluate'").to_pylist()
    assert [(row["sample_id"], row["reason"]) for row in dropped] == [(sample, "unreadable_video")]
    detail = dropped[0]["detail"]
    request.node.user_properties.append(("printed", f"{code} (dropped) {detail}"))
    assert re.search(rf"{sample}.mp4: .*({reason})", detail)
    assert "\n" not in detail
    answered = query(run, "select sample_id from evaluations where round_index = 0").to_pylist()
    assert answered == [{"sample_id": "shapes-validation-00000"}]
    assert digests(place.run / "rounds").items() >= before.items()


def test_there_are_enough_rows_and_each_has_a_name_of_its_own():
    assert len(WRONG) >= 45
    assert len({wrong.name for wrong in WRONG}) == len(WRONG)


def test_what_is_not_the_runs_own_is_left_alone(capfd, place):
    """Notes and folders of the user among the rounds are neither read nor an error."""
    shutil.copytree(place.finished, place.run)
    (place.run / "rounds/notes.txt").write_text("x")
    (place.run / "rounds/00000/rollout/old").mkdir()
    (place.run / "rounds/00000/rollout/old/notes.txt").write_text("x")
    before = digests(place.run)
    code, out, _ = call(capfd, "status", "--run-dir", place.run)
    assert (code, "1 of 1 rounds complete" in out) == (0, True)
    assert digests(place.run) == before
