"""What an evaluation found: its rows measured as its benchmark does, and two of them compared."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from stages.metrics.benchmarks import benchmark_of
from stages.metrics.measure import Difference, Measured, compare, measure
from storage.errors import UserError
from storage.layout import address
from storage.records import Evaluation, Sample
from storage.run import Run
from storage.samples import read_samples
from storage.shards import read_records


@dataclass(frozen=True)
class Results:
    """One policy's evaluation: the samples of the validation split, its responses, the cells of the table."""

    run_dir: str
    model: str
    data: str
    data_digest: str
    policy_version: int
    seed: int
    samples: list[Sample]
    rows: list[Evaluation]
    measured: list[Measured]

    @property
    def num_unanswered(self) -> int:
        """Samples without a response: their video could not be read."""
        return len(self.samples) - len({row.sample_id for row in self.rows})


def results_of(run: Run, round_index: int) -> Results:
    """The measured evaluation of the policy that enters a round; it must be current."""
    manifest = run.ledger.current(address(round_index, "evaluate"))
    assert manifest is not None, f"round {round_index} has no evaluation"  # the caller has just done it
    config, seed = run.settings.config, run.identity.seed
    samples = [sample for sample in read_samples(run.files, run.identity.data) if sample.split == "validation"]
    rows = list(read_records(run.files, Evaluation, "evaluations", manifest))
    name = config["data"]["name"]
    measured = measure(benchmark_of(name), samples, rows, seed=seed)
    model = config["model"]["path"] if round_index == 0 else f"{run.files.url}, policy {round_index}"
    return Results(run.files.url, model, name, run.identity.data, round_index, seed, samples, rows, measured)


def differences(first: Results, second: Results) -> list[Difference]:
    """The first minus the second, sample by sample; UserError if they answered different data."""
    if first.data_digest != second.data_digest:
        raise UserError(
            f"{first.run_dir} and {second.run_dir} hold different data; two models compare on the same samples: "
            "evaluate both with the same settings"
        )
    return compare(benchmark_of(first.data), first.samples, first.rows, second.rows, seed=first.seed)


def as_json(results: list[Results], found: list[Difference]) -> dict[str, Any]:
    """What `--json` writes: each model with its cells, and their differences."""
    return {
        "models": [
            {
                "model": result.model,
                "run_dir": result.run_dir,
                "data": result.data,
                "policy_version": result.policy_version,
                "num_samples": len(result.samples),
                "num_unanswered": result.num_unanswered,
                "cells": [asdict(cell) for cell in result.measured],
            }
            for result in results
        ],
        "differences": [asdict(difference) for difference in found],
    }
