"""Which table a benchmark has, and how its own scorer reads an answer.

To add one: its columns in stages/metrics/tables.py, and an entry of `BENCHMARKS`, by the data set's name. Any other
data set has accuracy by each field that its samples have, all samples, and grounding where they ask for seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stages.metrics import official, tables
from stages.metrics.columns import Column
from stages.metrics.mean_relative_accuracy import mean_relative_accuracy
from stages.metrics.tempcompass import tempcompass
from stages.metrics.video_mmmu import video_mmmu
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


OWN = Benchmark(tables.own, official.own_rule)
BENCHMARKS: dict[str, Benchmark] = {
    "seed_bench_r1": Benchmark(tables.seed_bench_r1, official.first_character),
    "nextgqa": Benchmark(tables.nextgqa, official.lone_letter),
    "longvideobench": Benchmark(
        tables.longvideobench, official.first_capital("ABCDE", ignored=("Best answer:", "Best option:"))
    ),
    "mvbench": Benchmark(tables.mvbench, official.option_word),
    "tempcompass": Benchmark(tables.tempcompass, tempcompass),
    "video_mme": Benchmark(tables.video_mme, official.first_capital("ABCD")),
    "vsi_bench": Benchmark(tables.vsi_bench, official.first_word, graded_relatively),
    "video_mmmu": Benchmark(tables.video_mmmu, video_mmmu),
    "mmvu": Benchmark(tables.mmvu, official.lone_letter),
}


def benchmark_of(data_name: str) -> Benchmark:
    """The benchmark of a data set, by the name of its adapter."""
    return BENCHMARKS.get(data_name, OWN)
