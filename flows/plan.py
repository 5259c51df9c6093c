"""What `run` would do: the stages that are reused and those that are done, and how much that is. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from flows.amounts import Amounts, PolicySize, stage_amounts
from flows.config import RunConfig
from flows.data import MADE, check_enough, load_data
from flows.session import check_settings, find_policy
from flows.stage_specs import run_settings, schedule, state_of
from storage.digest import sha256_directory
from storage.files import Files
from storage.layout import address
from storage.run import Identity, Run, missing_part, same_run
from storage.staleness import State


@dataclass(frozen=True)
class Plan:
    """States by (stage, round) under the settings; `made_stale` are completed stages that the settings give up.

    video_share, image_share: of all samples that show one, 0 to 1.
    """

    config: RunConfig
    is_new: bool
    states: dict[tuple[str, int], State]
    made_stale: list[str]
    size: PolicySize
    num_validation: int
    video_share: float
    image_share: float

    def amounts(self, round_index: int) -> Amounts:
        """What is left to do of a round, at most."""
        left = (s for (s, r), state in self.states.items() if r == round_index and state != "done")
        found = (stage_amounts(self.config, self.size, s, round_index, self.num_validation) for s in left)
        return sum(found, Amounts())

    @property
    def rounds(self) -> list[int]:
        """Every round of the plan; the last one holds the last evaluation alone."""
        return sorted({r for _, r in self.states})


def make_plan(url: str, config: RunConfig) -> Plan:
    """The plan of `deepvideo run` with `config` at `url`; UserError where the run itself would be refused."""
    check_settings(url, config)
    files, checkpoint = Files(url), find_policy(config)
    settings = run_settings(config)
    # What is made here is known without making it; files are read as the run would read them.
    data = None if config.data.name == MADE else load_data(files, config)
    if data:
        check_enough(data, config)
    is_new = bool(missing_part(files))
    if is_new:
        run = Run(files, Identity("", "", config.seed), settings)
        made_stale: list[str] = []
    else:
        found = Run.open(url)
        unchanged = found.settings.config["data"] == config.data.model_dump(mode="json")
        digest = data.digest if data else found.identity.data if unchanged else ""
        same_run(url, found.identity, Identity(digest, sha256_directory(checkpoint), config.seed))
        run, made_stale = found.under(settings), found.made_stale_by(settings)
    states = {(stage, r): state_of(run, config, address(r, stage))[0] for stage, r in schedule(config)}
    size = PolicySize(checkpoint, config.train.lora)
    if data is None:  # every sample that is made shows a video
        return Plan(config, is_new, states, made_stale, size, config.data.num_validation, 1.0, 0.0)
    shown = [sample.media.modalities for sample in data.samples]
    videos, images = (fmean(modality in each for each in shown) for modality in ("video", "image"))
    return Plan(config, is_new, states, made_stale, size, len(data.split("validation")), videos, images)
