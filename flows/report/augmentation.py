"""The chart of what augmentations did: against the control, never against the score that selected the sample."""

from __future__ import annotations

from matplotlib.figure import Figure

from flows.report.chart import EASY, HARD, INK, NOISE, Chart, Rows, column

COLOURS = {"hint": HARD, "noise": NOISE}


def _effects(figure: Figure, rows: Rows) -> None:
    kinds = list(dict.fromkeys(column(rows, "kind")))
    for axes, kind in zip(figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0], kinds, strict=True):
        shown = [row for row in rows if row["kind"] == kind]
        half = [0.0 if row["effect_low"] is None else row["effect"] - row["effect_low"] for row in shown]
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.errorbar(
            column(shown, "level"), column(shown, "effect"), half, fmt="o", capsize=3,
            color=COLOURS.get(kind, EASY),
        )  # fmt: skip
        for row, above in zip(shown, half, strict=True):
            place = (row["level"], row["effect"] + above)
            axes.annotate(f"{row['num_samples']}", place, ha="center", va="bottom", fontsize="small")
        axes.set(
            title=f"{kind} ({sum(column(shown, 'num_samples'))} samples)",
            xlabel="level",
            xlim=(0, 1),
            xticks=(0, 0.5, 1),
        )
        axes.margins(y=0.15)
    figure.axes[0].set_ylabel("reward, augmented - control")


EFFECTS = Chart(
    "What the augmentations did",
    "Mean reward of the augmented groups minus that of their controls (the original input sampled once more), by kind "
    "and by level in fifths; bars are 95 % intervals of three samples and more, numbers are samples. A hint should lie "
    "above 0, noise below.",
    "from effects",
    _effects,
)
