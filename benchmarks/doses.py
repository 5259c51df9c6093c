"""Doses of each augmentation, given to every sample of a set that no reward selected, by the code that a round uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from flows.config import RunConfig
from stages.alterations import cue, make_harder
from stages.augment import add_hints
from stages.config import AugmentConfig
from stages.hint import make_hint, reasoning
from stages.rollout import Query, Scene, as_in_the_data
from storage.frames import Shown
from storage.records import Alteration, Augmentation, Difficulty, Media, Sample

DOSES: dict[str, tuple[float | str, ...]] = {
    "noise": (0.0, 10.0, 25.0, 50.0, 100.0),
    "mask": (0.0, 0.25, 0.5, 0.75),
    "cue": ("off", "mark", "keep"),
    "hint": (0.0, 0.25, 0.5, 0.75, 1.0),
}
"""What each series varies: sigma in 0..255; share of frames; how spans are shown; share of a trace's words."""
DIRECTION = {"noise": -1, "mask": -1, "cue": 1, "hint": 1}
"""Which way a dose is meant to move the reward."""
Dose = tuple[str, float | str, list[Query]]


def doses(samples: Sequence[Sample], config: RunConfig, scene: Scene) -> Iterator[Dose]:
    """Every dose of every series as queries about the same samples, dose 0 first; request seeds do not depend on it.

    Cues go to the samples that can have one, hints to those of whose guided traces one is usable, at every dose.
    """
    for sigma in DOSES["noise"]:
        settings = _settings(config, increasing="noise", max_noise_sigma=sigma)
        yield "noise", sigma, [_altered(sample, settings, scene, make_harder) for sample in samples]
    for share in DOSES["mask"]:
        settings = _settings(config, increasing="mask", max_mask_share=share)
        yield "mask", share, [_altered(sample, settings, scene, make_harder) for sample in samples]
    marked = _settings(config, decreasing="cue", cue="mark")
    fit = [sample for sample in samples if cue(sample, _row(sample, 1.0), marked, scene, _nothing_to_store) is not None]
    for way in DOSES["cue"]:
        plain = [_plain(sample) for sample in fit]
        shown = _settings(config, decreasing="cue", cue=way) if way != "off" else None
        yield "cue", way, [_altered(s, shown, scene, cue) for s in fit] if shown else plain
    traces = _best_traces(samples, config, scene)
    for fraction in DOSES["hint"]:
        hinted = [
            (sample, make_hint(traces[sample.sample_id], sample, float(fraction)).text)
            for sample in samples
            if sample.sample_id in traces
        ]
        yield "hint", fraction, [_plain(sample, hint) for sample, hint in hinted]


def _settings(config: RunConfig, **changes: object) -> AugmentConfig:
    return config.augment.model_copy(update={"storage": "seed", **changes})


def _altered(sample: Sample, settings: AugmentConfig, scene: Scene, alter: Callable[..., object]) -> Query:
    """The sample at full level; a dose of nothing leaves it as it is."""
    row = alter(sample, _row(sample, 1.0), settings, scene, _nothing_to_store)
    assert isinstance(row, Augmentation), row
    return Query(sample, "original", 0, row.media, row.kind, row.level, "", row.alteration)


def _plain(sample: Sample, hint: str = "") -> Query:
    return replace(as_in_the_data(sample, "original", 0), augmentation="hint" if hint else "none", hint=hint)


def _best_traces(samples: Sequence[Sample], config: RunConfig, scene: Scene) -> dict[str, str]:
    """The reasoning that a round would cut its hints from, by sample; none where the whole trace gives no hint."""
    settings = _settings(config, max_hint_fraction=1.0)
    items = [(sample, _row(sample, 1.0)) for sample in samples]
    _, traces, _ = add_hints(items, settings, config.rollout, scene, max_model_len=config.engine.max_model_len)
    return {trace.sample_id: reasoning(trace.response) for trace in traces if trace.chosen}


def _row(sample: Sample, level: float) -> Difficulty:
    return Difficulty("benchmark", 0, 0, sample.sample_id, 0.5, 0.5, 1, 0.0, "hard", level)


def _nothing_to_store(media: Media, shown: Shown, alteration: Alteration) -> Media:
    raise AssertionError("storage is seed: no file is written")
