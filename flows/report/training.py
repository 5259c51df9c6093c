"""Charts by optimiser step: how far the policy moves, and whether trainer and engine agree."""

from __future__ import annotations

from matplotlib.figure import Figure

from flows.report.chart import HARD, INK, LINE, Chart, Rows, column

PANELS = {
    "policy_loss": "policy loss",
    "kl": "KL to the reference",
    "rho_std": "std of the log-ratio rho",
    "grad_norm": "gradient norm before clipping",
    "engine_mismatch_mean": "engine mismatch, mean",
    "engine_mismatch_max": "engine mismatch, maximum",
}


def _training(figure: Figure, rows: Rows) -> None:
    panels = figure.subplots(3, 2, sharex=True)
    starts = [i for i, row in enumerate(rows) if i and row["round_index"] != rows[i - 1]["round_index"]]
    stopped = [i for i, row in enumerate(rows) if row["stopped"] is not None]
    for axes, (name, title) in zip(panels.flat, PANELS.items(), strict=True):
        for start in starts:
            axes.axvline(start - 0.5, color=LINE, linewidth=0.8)
        marker = "o" if len(rows) == 1 else ""
        axes.plot(range(len(rows)), column(rows, name), color=HARD, linewidth=1, marker=marker)
        for i in stopped:
            axes.plot(i, rows[i][name], marker="x", color=INK, markersize=7)
        axes.set_title(title)
        axes.grid(axis="x", visible=False)
    for axes in panels[-1]:
        axes.set_xlabel("optimiser step")


TRAINING = Chart(
    "Training",
    "Every optimiser step of the run; upright lines are where rounds begin. Nothing in Eq. 8 bounds how far the policy "
    "moves, so KL and the spread of rho are what to watch. Mismatch: |engine - trainer| log-prob a response token. "
    "A cross: a step above train.max_kl or train.max_rho_std, which was not taken and ended its round.",
    f"select round_index, {', '.join(PANELS)}, stopped\nfrom train_steps order by round_index, step",
    _training,
    size=(5.4, 5.6),
)
