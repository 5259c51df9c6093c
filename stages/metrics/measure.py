"""The values of a benchmark's table, with intervals: of one model, and of the difference of two.

Every sample counts: one without a response, or whose response names no answer, has a score of 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from stages.metrics.benchmarks import Benchmark
from stages.metrics.bootstrap import bootstrap_interval
from stages.metrics.columns import Column
from stages.metrics.majority import ballot, majority
from stages.metrics.paired import mcnemar
from stages.metrics.pass_at_k import pass_at_k, powers_up_to
from stages.metrics.scores import Read, Score, accuracy
from stages.metrics.span_reading import all_spans, first_span
from stages.metrics.wilson import wilson_interval
from storage.records import Evaluation, Sample

Form = Literal["official", "strict"]
FORMS: tuple[Form, ...] = get_args(Form)
GREEDY = "greedy"


@dataclass(frozen=True)
class Measured:
    """A cell of the table: 0 to 1, with its 95 % interval (Wilson's where every score is 0 or 1 and counts alike, else
    the bootstrap's), or None where the column has no samples.

    row: `greedy`, `pass@k` or `majority@n`. num_samples: how many the column averages over.
    """

    form: Form
    row: str
    column: str
    value: float | None
    low: float | None
    high: float | None
    num_samples: int


@dataclass(frozen=True)
class Difference:
    """The first model's value minus the second's, its 95 % paired bootstrap interval, and McNemar's p where all scores
    are right or wrong and count alike."""

    form: Form
    row: str
    column: str
    value: float | None
    low: float | None
    high: float | None
    p: float | None


def measure(
    benchmark: Benchmark, samples: Sequence[Sample], rows: Sequence[Evaluation], *, seed: int
) -> list[Measured]:
    """Every cell of the table, both forms, row by row; `rows` are one policy's responses to `samples`."""
    cells = []
    for form in FORMS:
        for row, table in _tables(benchmark, form, samples, rows).items():
            for column, parts in table:
                num = sum(len(values) for _, values in parts)
                cells.append(Measured(form, row, column.title, *_summary(parts, seed, shares=True), num))
    return cells


def compare(
    benchmark: Benchmark,
    samples: Sequence[Sample],
    first: Sequence[Evaluation],
    second: Sequence[Evaluation],
    *,
    seed: int,
) -> list[Difference]:
    """The differences of two policies' responses to the same samples, for the rows that both have."""
    found = []
    for form in FORMS:
        ours, theirs = (_tables(benchmark, form, samples, rows) for rows in (first, second))
        for row in (name for name in ours if name in theirs):
            for (column, a), (_, b) in zip(ours[row], theirs[row], strict=True):
                pairs = [(weight, x, y) for (weight, x), (_, y) in zip(a, b, strict=True)]
                summary = _summary([(weight, x - y) for weight, x, y in pairs], seed, shares=False)
                found.append(Difference(form, row, column.title, *summary, _p_value(pairs)))
    return found


Parts = list[tuple[float, np.ndarray]]


def _tables(
    benchmark: Benchmark, form: Form, samples: Sequence[Sample], rows: Sequence[Evaluation]
) -> dict[str, list[tuple[Column, Parts]]]:
    """For each row of the table, each column with the scores of its parts; no parts where the row has no value."""
    columns = benchmark.columns(samples)
    greedy, sampled = _read(benchmark, form, samples, rows)
    most = max((len(reads) for reads in sampled.values()), default=0)
    names = [GREEDY, *(f"pass@{k}" for k in powers_up_to(most)), *([f"majority@{most}"] if most else [])]
    tables: dict[str, list[tuple[Column, Parts]]] = {name: [] for name in names}
    scored: dict[tuple[str, Score], np.ndarray] = {}
    for column in columns:
        masks = [(part.weight, np.array([part.holds(sample) for sample in samples])) for part in column.parts]
        for name in names:
            kind, _, k = name.partition("@")
            if kind == "majority" and column.score is not accuracy:  # a vote is on an answer
                tables[name].append((column, []))
                continue
            if (name, column.score) not in scored:
                reads = greedy if name == GREEDY else sampled
                found = [_score(kind, int(k or 1), column.score, reads, sample) for sample in samples]
                scored[name, column.score] = np.array(found)
            scores = scored[name, column.score]
            tables[name].append((column, [(weight, scores[mask]) for weight, mask in masks]))
    return tables


def _read(
    benchmark: Benchmark, form: Form, samples: Sequence[Sample], rows: Sequence[Evaluation]
) -> tuple[Mapping[str, list[Read]], Mapping[str, list[Read]]]:
    """What the form reads in the greedy and in the sampled responses, by sample."""
    known = {sample.sample_id: sample for sample in samples}
    greedy: dict[str, list[Read]] = {}
    sampled: dict[str, list[Read]] = {}
    for row in sorted(rows, key=lambda row: row.response_index):
        sample = known[row.sample_id]
        if form == "official":
            read = Read(row.official_answer, row.official_accuracy, first_span(row.response))
        else:
            spans = all_spans(row.response, row.predicted_answer)
            read = Read(row.predicted_answer, benchmark.strict(row, sample), spans)
        (sampled if row.temperature else greedy).setdefault(row.sample_id, []).append(read)
    return greedy, sampled


def _score(kind: str, k: int, score: Score, reads: Mapping[str, list[Read]], sample: Sample) -> float:
    given = reads.get(sample.sample_id, [])
    scores = [score(read, sample) for read in given]
    if not scores:
        return 0.0
    if kind == "majority":
        return majority([ballot(read.answer, sample) for read in given], scores)
    return pass_at_k(scores, k)


def _summary(parts: Parts, seed: int, *, shares: bool) -> tuple[float | None, float | None, float | None]:
    """Value and interval, Wilson's for the share of right answers; none if a part has no samples."""
    if not parts or any(len(values) == 0 for _, values in parts):
        return None, None, None
    value = sum(weight * values.mean() for weight, values in parts) / sum(weight for weight, _ in parts)
    if shares and len(parts) == 1 and np.isin(parts[0][1], (0.0, 1.0)).all():
        return float(value), *wilson_interval(int(parts[0][1].sum()), len(parts[0][1]))
    return float(value), *bootstrap_interval(parts, seed=seed)


def _p_value(pairs: Sequence[tuple[float, np.ndarray, np.ndarray]]) -> float | None:
    if len(pairs) != 1:
        return None
    _, first, second = pairs[0]
    return mcnemar(first.tolist(), second.tolist()) if np.isin([first, second], (0.0, 1.0)).all() else None
