"""Charts by round: rewards, accuracy, groups with nothing to learn from, and where the time went."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from flows.report.chart import EASY, HARD, INK, KEPT, Chart, Rows, band, column, over_rounds
from stages.metrics.wilson import wilson_interval

STAGE_COLOURS = ("#8a8a8a", "#0072b2", "#cc79a7", "#009e73", "#56b4e9", "#b8a800", "#e69f00", "#d55e00")


def _reward(figure: Figure, rows: Rows) -> None:
    axes = figure.subplots()
    band(axes, rows, "reward", HARD, "original groups")
    band(axes, rows, "trained", EASY, "with augmented groups")
    over_rounds(axes, ylabel="mean reward / maximum", ylim=(0, 1))


def _accuracy(figure: Figure, rows: Rows) -> None:
    axes = figure.subplots()
    band(axes, [row for row in rows if row["sampled"]], "accuracy", HARD, "training samples, sampled")
    greedy = [row for row in rows if not row["sampled"]]
    intervals = [wilson_interval(row["num_correct"], row["num_samples"]) for row in greedy]
    errors: Any = [
        [row["accuracy"] - low for row, (low, _) in zip(greedy, intervals, strict=True)],
        [high - row["accuracy"] for row, (_, high) in zip(greedy, intervals, strict=True)],
    ]
    axes.errorbar(
        column(greedy, "round_index"),
        column(greedy, "accuracy"),
        errors,
        fmt="s",
        color=EASY,
        capsize=3,
        label="validation, greedy",
    )
    over_rounds(axes, ylabel="accuracy", ylim=(0, 1))


def _vanishing(figure: Figure, rows: Rows) -> None:
    axes = figure.subplots()
    for name, colour, label in (("before", KEPT, "as sampled"), ("after", HARD, "with augmented groups")):
        axes.plot(column(rows, "round_index"), column(rows, f"vanishing_{name}"), marker="o", color=colour, label=label)
    over_rounds(axes, ylabel="vanishing ratio", ylim=(0, 1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))


def _timeline(figure: Figure, rows: Rows) -> None:
    axes = figure.subplots()
    stages = list(dict.fromkeys(column(rows, "stage")))
    for number, stage in enumerate(stages):
        spans = [(row["start"], row["seconds"]) for row in rows if row["stage"] == stage]
        axes.broken_barh(spans, (number - 0.4, 0.8), color=STAGE_COLOURS[number % len(STAGE_COLOURS)])
        axes.text(1.0, number, f" {sum(s for _, s in spans):.1f} s", va="center", color=INK, transform=_right(axes))
    axes.set(xlabel="seconds since the first stage began", yticks=range(len(stages)), yticklabels=stages)
    axes.invert_yaxis()


def _right(axes: Any) -> Any:
    """Coordinates whose x is a share of the axes' width and whose y is data."""
    return axes.get_yaxis_transform()


REWARD = Chart(
    "Reward",
    "Mean reward of each round's groups, divided by its problem type's maximum; bands are 95 % intervals of the mean. "
    "Every round has other samples, and the second line has the augmented groups in place of their originals.",
    """
with trained as (
    select * from groups where pass in ('original', 'augmented')
    qualify row_number() over (partition by round_index, sample_id order by pass = 'augmented' desc) = 1
), scored as (
    select round_index, 'reward' as line, normalised_reward as x from groups where pass = 'original'
    union all select round_index, 'trained', normalised_reward from trained
), line as (
    select round_index, line, avg(x) as m, 1.96 * coalesce(stddev_samp(x), 0) / sqrt(count(*)) as e
    from scored group by all
)
select round_index,
    any_value(m) filter (line = 'reward') as reward,
    any_value(m - e) filter (line = 'reward') as reward_low,
    any_value(m + e) filter (line = 'reward') as reward_high,
    any_value(m) filter (line = 'trained') as trained,
    any_value(m - e) filter (line = 'trained') as trained_low,
    any_value(m + e) filter (line = 'trained') as trained_high
from line group by round_index order by round_index""",
    _reward,
)
ACCURACY = Chart(
    "Accuracy",
    "Accuracy of the sampled responses to the round's training samples (band: 95 % interval over groups), and of the "
    "greedy responses of the policy that enters the round to the validation split (bars: Wilson's 95 % interval).",
    """
select round_index, true as sampled, avg(accuracy) as accuracy,
    avg(accuracy) - 1.96 * coalesce(stddev_samp(accuracy), 0) / sqrt(count(*)) as accuracy_low,
    avg(accuracy) + 1.96 * coalesce(stddev_samp(accuracy), 0) / sqrt(count(*)) as accuracy_high,
    null as num_correct, null as num_samples
from groups where pass = 'original' group by round_index
union all
select round_index, false, avg(reward_accuracy), null, null, sum(reward_accuracy), count(*)
from evaluations where temperature = 0 group by round_index
order by 1, 2""",
    _accuracy,
)
VANISHING = Chart(
    "Groups with nothing to learn from",
    "Share of groups whose rewards are all equal, so that every advantage is zero: as sampled, and of what the round "
    "trains on (the paper's Figure 3).",
    "select round_index, vanishing_before, vanishing_after from rounds order by round_index",
    _vanishing,
)
TIMELINE = Chart(
    "Time",
    "When each stage worked, and its seconds in all rounds; start-ups are in the first stage that needs them.",
    """
select stage, seconds, epoch(ended) - seconds - min(epoch(ended) - seconds) over () as start
from stages where current order by min(ended) over (partition by stage), ended""",
    _timeline,
)
