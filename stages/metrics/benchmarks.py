"""Which metrics a benchmark has, and the columns of the table that its paper prints, in order.

To add one: an entry of `BENCHMARKS`, by the data set's name. Any other data set has accuracy by each field that its
samples have, all samples, and grounding where they ask for seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stages.metrics import official
from stages.metrics.columns import Column, Part, by, macro, values_of
from stages.metrics.mean_relative_accuracy import mean_relative_accuracy
from stages.metrics.scores import at_least, grounded_accuracy, iop, iou, set_iou
from stages.number import read_number
from storage.records import Evaluation, Sample


def graded(row: Evaluation, sample: Sample) -> float:
    """The strict accuracy: the one of the reward."""
    return row.reward_accuracy


def graded_relatively(row: Evaluation, sample: Sample) -> float:
    """The same, of numbers the mean relative accuracy with the paper's `<`."""
    if sample.problem_type != "number":
        return row.reward_accuracy
    predicted, truth = read_number(row.predicted_answer or ""), read_number(sample.answer)
    return mean_relative_accuracy(predicted.value, truth.value, inclusive=False) if predicted and truth else 0.0


@dataclass(frozen=True)
class Benchmark:
    """columns: of the samples that are there. official, strict: the accuracy of a response in either form."""

    columns: Callable[[Sequence[Sample]], list[Column]]
    official: official.Scorer
    strict: Callable[[Evaluation, Sample], float] = graded


ALL = Column("all")
VSI_TASKS = {
    "Obj. Count": ("object_counting",),
    "Abs. Dist.": ("object_abs_distance",),
    "Obj. Size": ("object_size_estimation",),
    "Room Size": ("room_size_estimation",),
    "Rel. Dist.": ("object_rel_distance",),
    "Rel. Dir.": tuple(f"object_rel_direction_{level}" for level in ("easy", "medium", "hard")),
    "Route Plan": ("route_planning",),
    "Appr. Order": ("obj_appearance_order",),
}
"""Its eight tasks count alike; the three levels of the relative direction count alike within theirs."""
DURATIONS = {"15": "8-15 s", "60": "15-60 s", "600": "180-600 s", "3600": "900-3600 s"}
TRACKS = {"perception": "Perception", "comprehension": "Comprehension", "adaptation": "Adaptation"}
LENGTHS = {"short": "Short", "medium": "Medium", "long": "Long"}
GROUNDING = Part((("problem_type", "temporal_grounding"),))


def _seed_bench_r1(samples: Sequence[Sample]) -> list[Column]:
    return [*by("task_level", samples), *by("domain", samples, within=(("task_level", "L3"),)), ALL]


def _nextgqa(samples: Sequence[Sample]) -> list[Column]:
    return [
        Column("Acc@QA"),
        Column("Acc@GQA", grounded_accuracy),
        Column("mIoP", iop),
        *(Column(f"IoP@{threshold}", at_least(iop, threshold)) for threshold in (0.3, 0.5)),
        Column("mIoU", iou),
        *(Column(f"IoU@{threshold}", at_least(iou, threshold)) for threshold in (0.3, 0.5)),
        Column("set mIoU", set_iou),  # of VideoChat-R1, whose set-up the paper follows
    ]


def _vsi_bench(samples: Sequence[Sample]) -> list[Column]:
    found = values_of("category", samples)
    known = {name for names in VSI_TASKS.values() for name in names}
    columns = []
    for title, names in {**VSI_TASKS, **{name: (name,) for name in found if name not in known}}.items():
        there = [name for name in names if name in found]
        if there:
            parts = (Part((("category", name),), 1 / len(there)) for name in there)
            columns.append(Column(title, parts=tuple(parts)))
    return [Column("Avg.", parts=tuple(part for column in columns for part in column.parts)), *columns]


def _own(samples: Sequence[Sample]) -> list[Column]:
    found = [
        column
        for field in ("task_level", "duration_group", "domain", "category")
        if len(values_of(field, samples)) > 1
        for column in by(field, samples)
    ]
    return [*found, ALL, *_recalls(samples)]


def _recalls(samples: Sequence[Sample]) -> list[Column]:
    """mIoU and R@m of the questions that ask when, if there are any."""
    if not any(GROUNDING.holds(sample) for sample in samples):
        return []
    return [
        Column("mIoU", set_iou, (GROUNDING,)),
        *(Column(f"R@{threshold}", at_least(set_iou, threshold), (GROUNDING,)) for threshold in (0.3, 0.5, 0.7)),
    ]


OWN = Benchmark(_own, official.own_rule)
BENCHMARKS: dict[str, Benchmark] = {
    "seed_bench_r1": Benchmark(_seed_bench_r1, official.first_character),
    "nextgqa": Benchmark(_nextgqa, official.lone_letter),
    "longvideobench": Benchmark(
        lambda samples: [ALL, *by("duration_group", samples, DURATIONS), *by("category", samples)],
        official.lone_letter,
    ),
    "mvbench": Benchmark(
        lambda samples: [*by("category", samples), macro("Avg", "category", samples)], official.lone_letter
    ),
    "tempcompass": Benchmark(
        lambda samples: [*by("category", samples), *by("domain", samples), ALL], official.lone_letter
    ),
    "video_mme": Benchmark(lambda samples: [*by("duration_group", samples, LENGTHS), ALL], official.lone_letter),
    "vsi_bench": Benchmark(_vsi_bench, official.first_word, graded_relatively),
    "video_mmmu": Benchmark(
        lambda samples: [ALL, *by("category", samples, TRACKS), *by("domain", samples)], official.lone_letter
    ),
    "mmvu": Benchmark(lambda samples: [*by("domain", samples), ALL], official.lone_letter),
}


def benchmark_of(data_name: str) -> Benchmark:
    """The benchmark of a data set, by the name of its adapter."""
    return BENCHMARKS.get(data_name, OWN)
