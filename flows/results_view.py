"""An evaluation as its benchmark's table: in percent, a row a model, in a terminal or as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from flows.results import Results
from flows.tables import narrow
from stages.metrics.measure import FORMS, GREEDY, Difference, Form, Measured

MEANING = {
    "official": "answers read as the benchmark's own scorer does",
    "strict": "the whole response must have the form, as the reward reads it",
}


def print_results(results: Sequence[Results], found: Sequence[Difference], console: Console) -> None:
    """Each form as a table of all models and their differences; one wider than the console goes on below itself."""
    for result, letter in zip(results, "AB", strict=False):
        name = f"{letter}: {result.model}" if len(results) > 1 else result.model
        missing = f", {result.num_unanswered} without a response, which count 0" if result.num_unanswered else ""
        console.print(f"{name}, {len(result.samples)} samples of {result.data}{missing}", highlight=False)
    for form in FORMS:
        console.print(f"\n{form}: {MEANING[form]}, in percent", highlight=False)
        for rows in _blocks(_rows(results, found, form), console.width):
            console.print(_table(rows))


def markdown(result: Results) -> str:
    """The same of one model, for an artifact of Prefect."""
    lines = [f"{result.model}: {len(result.samples)} samples of {result.data}, {result.num_unanswered} unanswered"]
    for form in FORMS:
        (_, *titles), *rows = _rows([result], [], form)
        lines += ["", f"| {form} | " + " | ".join(titles) + " |", "|" + "---|" * (len(titles) + 1)]
        lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def _rows(results: Sequence[Results], found: Sequence[Difference], form: Form) -> list[list[str]]:
    """The form's table as text: header, then for each row of it each model's values, and the differences."""
    first = [cell for cell in results[0].measured if (cell.form, cell.row) == (form, GREEDY)]
    rows = [["", *(cell.column for cell in first)]]
    for name in dict.fromkeys(cell.row for cell in results[0].measured):
        for result, letter in zip(results, "AB", strict=False):
            cells = [cell for cell in result.measured if (cell.form, cell.row) == (form, name)]
            rows.append([f"{letter} {name}" if len(results) > 1 else name, *map(_value, cells)])
            if name == GREEDY:
                rows.append(["  95 %", *(_interval(cell, "-") for cell in cells)])
        change = [cell for cell in found if (cell.form, cell.row) == (form, name)]
        if change:
            rows.append(["A - B", *map(_value, change)])
            rows.append(["  95 %", *(_interval(cell, " to ") for cell in change)])
            if any(cell.p is not None for cell in change):
                rows.append(["  p", *map(_p, change)])
    return [*rows, ["samples", *(str(cell.num_samples) for cell in first)]]


def _blocks(rows: Sequence[list[str]], width: int) -> Iterator[list[list[str]]]:
    """As many columns at a time as fit `width`, each time with the names of the rows."""
    label, *columns = zip(*rows, strict=True)
    block = [label]
    for column in columns:
        if len(block) > 1 and sum(1 + max(map(len, shown)) for shown in [*block, column]) > width:
            yield [list(row) for row in zip(*block, strict=True)]
            block = [label]
        block.append(column)
    yield [list(row) for row in zip(*block, strict=True)]


def _table(rows: list[list[str]]) -> Table:
    table = narrow(None)
    for index, name in enumerate(rows[0]):
        table.add_column(name, justify="right" if index else "left", no_wrap=True)
    for row in rows[1:]:
        table.add_row(*row)
    return table


def _value(cell: Measured | Difference) -> str:
    return "-" if cell.value is None else f"{100 * cell.value:z.1f}"


def _interval(cell: Measured | Difference, between: str) -> str:
    return "-" if cell.low is None or cell.high is None else f"{100 * cell.low:z.0f}{between}{100 * cell.high:z.0f}"


def _p(cell: Difference) -> str:
    return "-" if cell.p is None else f"{cell.p:.3f}"
