"""Tables of a few samples, each cell by hand."""

import numpy as np
import pytest

from stages.metrics.benchmarks import BENCHMARKS, benchmark_of
from stages.metrics.measure import compare, measure
from stages.rewards import grade, reward_columns
from storage.records import Evaluation, Sample


def choice(sample_id, answer="A", **fields):
    return Sample(sample_id, "v", "Which?", answer, "multiple_choice", ("one", "two", "three"), **fields)


def respond(data, sample, *responses, temperature=0.0):
    """The graded rows of responses to one sample."""
    found = []
    for index, text in enumerate(responses):
        official = BENCHMARKS.get(data, benchmark_of(data)).official(text, sample)
        parts = reward_columns(grade(text, sample))
        named = ("r", 0, 0, sample.sample_id, sample.problem_type, sample.task_level, text)
        found.append(
            Evaluation(
                *named, finish_reason="stop", **parts, official_answer=official[0], official_accuracy=official[1],
                temperature=temperature, response_index=index,
            )
        )  # fmt: skip
    return found


def said(answer, after=""):
    return f"<think>x</think><answer>{answer}</answer>{after}"


def values(cells, row="greedy"):
    """Cells of a row by form and column, in percent."""
    found = [cell for cell in cells if cell.row == row]
    return {
        form: {cell.column: cell.value and round(100 * cell.value, 6) for cell in found if cell.form == form}
        for form in ("official", "strict")
    }


def test_seed_bench_r1_by_level_and_the_third_by_domain():
    samples = [
        choice("a", task_level="L1"),
        choice("b", task_level="L1"),
        choice("c", task_level="L3", domain="Work"),
        choice("d", task_level="L3", domain="Hobbies"),
        choice("e", task_level="L3", domain="Hobbies"),
    ]
    rows = [
        *respond("seed_bench_r1", samples[0], said("A")),
        *respond("seed_bench_r1", samples[1], said("B")),
        *respond("seed_bench_r1", samples[2], said("A", " or so")),  # right for theirs alone
        *respond("seed_bench_r1", samples[3], said("one")),  # right for ours alone
    ]  # e has no response
    found = measure(benchmark_of("seed_bench_r1"), samples, rows, seed=0)
    assert values(found) == {
        "official": {"L1": 50, "L3": pytest.approx(100 / 3), "Hobbies": 0, "Work": 100, "all": 40},
        "strict": {"L1": 50, "L3": pytest.approx(100 / 3), "Hobbies": 50, "Work": 0, "all": 40},
    }
    assert {cell.column: cell.num_samples for cell in found} == {"L1": 2, "L3": 3, "Hobbies": 2, "Work": 1, "all": 5}


def test_nextgqa_counts_what_its_paper_counts():
    spans = ((2.0, 6.0), (10.0, 12.0))
    sample = Sample("a", "v", "When?", "", "temporal_grounding", spans=spans)
    silent = Sample("b", "v", "When?", "", "temporal_grounding", spans=spans)
    rows = respond("nextgqa", sample, said("4 to 8 and 10 to 12"))
    official, strict = values(measure(benchmark_of("nextgqa"), [sample, silent], rows, seed=0)).values()
    # First span 4 to 8: IoU 2/6, IoP 2/4; both spans as a set: 4 of the 8 seconds of 2 to 8 and 10 to 12.
    expected = {"mIoP": 25, "IoP@0.3": 50, "IoP@0.5": 50, "mIoU": 100 / 6, "IoU@0.3": 50, "IoU@0.5": 0}
    assert {name: strict[name] for name in expected} == pytest.approx(expected)
    assert {name: official[name] for name in expected} == pytest.approx(expected)
    assert strict["set mIoU"] == 25
    assert official["set mIoU"] == pytest.approx(100 * (2 / 8) / 2)  # one span is read: 2 of 8 seconds
    assert strict["Acc@QA"] == strict["Acc@GQA"] == 50  # right by our IoU of 0.5, of sets


def test_an_answer_counts_as_grounded_only_if_it_is_right():
    sample = Sample("a", "v", "When?", "", "temporal_grounding", spans=((0.0, 9.0),))
    rows = respond("nextgqa", sample, said("1 to 2"))  # wholly inside, and far too short to be right
    found = values(measure(benchmark_of("nextgqa"), [sample], rows, seed=0))["strict"]
    assert (found["IoP@0.5"], found["Acc@QA"], found["Acc@GQA"]) == (100, 0, 0)


def test_vsi_benchs_tasks_count_alike_and_the_directions_as_one():
    kinds = ("easy", "medium", "hard")
    samples = [choice(kind, category=f"object_rel_direction_{kind}") for kind in kinds]
    samples += [choice(f"route{i}", category="route_planning") for i in range(4)]
    size = Sample("size", "v", "How long?", "100", "number", category="object_size_estimation")
    rows = [row for sample in samples[:2] for row in respond("vsi_bench", sample, said("A"))]
    rows += respond("vsi_bench", samples[3], said("A")) + respond("vsi_bench", size, said("90"))
    found = values(measure(benchmark_of("vsi_bench"), [*samples, size], rows, seed=0))
    assert found["official"]["Obj. Size"] == 90  # an error of a tenth, with <=
    assert found["strict"]["Obj. Size"] == 80  # and with <
    assert found["official"]["Rel. Dir."] == pytest.approx(200 / 3)
    assert found["official"]["Avg."] == pytest.approx((100 * 2 / 3 + 25 + 90) / 3)
    assert list(found["official"])[:3] == ["Avg.", "Obj. Size", "Rel. Dir."]


def test_tempcompass_has_each_task_by_aspect():
    tasks = ("caption_matching", "multi-choice", "yes_no")
    samples = [choice(f"{task}{i}", domain=task, category="order") for task in tasks for i in range(2)]
    samples.append(choice("speed", domain="multi-choice", category="speed"))
    rows = [row for i in (0, 2, 3) for row in respond("tempcompass", samples[i], said("A"))]
    assert values(measure(benchmark_of("tempcompass"), samples, rows, seed=0))["official"] == {
        "choice SP": 0, "choice EV": 100, "choice": pytest.approx(200 / 3), "yes/no EV": 0, "yes/no": 0,
        "matching EV": 50, "matching": 50, "all": pytest.approx(300 / 7),
    }  # fmt: skip


def test_mmvus_disciplines_count_every_sample_alike():
    subjects = ("Biology", "Biology", "Modern Physics", "Law")
    samples = [choice(f"s{i}", domain=subject) for i, subject in enumerate(subjects)]
    rows = respond("mmvu", samples[0], said("A"))
    found = measure(benchmark_of("mmvu"), samples, rows, seed=0)
    assert values(found)["strict"] == {
        "all": 25, "Science": pytest.approx(100 / 3), "Humanities & Social Sci.": 0,
        "Biology": 50, "Law": 0, "Modern Physics": 0,
    }  # fmt: skip
    (science,) = [cell for cell in found if (cell.column, cell.form) == ("Science", "strict")]
    assert (science.low, science.high) == pytest.approx((0.0615, 0.7923), abs=1e-4)  # Wilson's of one in three


def test_sampled_responses_have_pass_at_k_and_a_vote():
    samples = [choice("a"), choice("b")]
    rows = respond("shapes", samples[0], said("B"))
    rows += respond("shapes", samples[0], said("A"), said("B"), said("one"), said("C"), temperature=1.0)
    rows += respond("shapes", samples[1], said("B"), said("B"), "A", said("A"), temperature=1.0)
    found = measure(benchmark_of("shapes"), samples, rows, seed=0)
    assert list(dict.fromkeys(cell.row for cell in found)) == ["greedy", "pass@1", "pass@2", "pass@4", "majority@4"]
    assert values(found)["strict"] == {"all": 0}
    assert values(found, "pass@1")["strict"]["all"] == pytest.approx(100 * (2 / 4 + 1 / 4) / 2)
    assert values(found, "pass@2")["strict"]["all"] == pytest.approx(100 * (5 / 6 + 3 / 6) / 2)
    assert values(found, "pass@4")["strict"]["all"] == 100
    assert values(found, "majority@4")["strict"]["all"] == 50  # A and "one" are two votes of a's; B has b's
    assert values(found, "majority@4")["official"]["all"] == 75  # the bare A of b's ties it


def test_intervals_hold_the_value_and_a_share_has_wilsons():
    samples = [choice(f"s{i}") for i in range(10)]
    rows = [row for sample in samples[:5] for row in respond("shapes", sample, said("A"))]
    (cell,) = [cell for cell in measure(benchmark_of("shapes"), samples, rows, seed=0) if cell.form == "strict"]
    assert (cell.low, cell.high) == pytest.approx((0.2366, 0.7634), abs=1e-4)


def test_two_models_are_compared_sample_by_sample():
    samples = [choice(f"s{i}") for i in range(8)]
    first = [row for sample in samples[:6] for row in respond("shapes", sample, said("A"))]
    second = [row for sample in samples[5:7] for row in respond("shapes", sample, said("A"))]
    found = [cell for cell in compare(benchmark_of("shapes"), samples, first, second, seed=0) if cell.form == "strict"]
    (cell,) = found
    assert cell.value == pytest.approx(4 / 8)
    assert cell.p == pytest.approx(2 * (1 + 6) / 64)  # five that only the first has right, one that only the second
    assert cell.low < cell.value < cell.high


def test_a_model_does_not_differ_from_itself():
    samples = [choice("a"), choice("b")]
    rows = respond("shapes", samples[0], said("A"))
    for cell in compare(benchmark_of("shapes"), samples, rows, rows, seed=0):
        assert (cell.value, cell.low, cell.high, cell.p) == (0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize("data", [*BENCHMARKS, "shapes", "a set of one's own"])
def test_every_table_leaves_no_sample_out(data):
    """Also with fields that no paper names; and no column is left without a title of its own."""
    samples = [
        choice(f"s{i}", task_level=f"L{i % 3}", domain=f"d{i % 2}", category=f"c{i % 4}", duration_group=f"{i % 5}")
        for i in range(20)
    ]
    rows = [row for sample in samples for row in respond(data, sample, said("A"))]
    columns = benchmark_of(data).columns(samples)
    assert len({column.title for column in columns}) == len(columns)
    covered = np.zeros(len(samples), bool)
    for column in columns:
        covered |= [any(part.holds(sample) for part in column.parts) for sample in samples]
    assert covered.all()
    accuracies = [cell.value for cell in measure(benchmark_of(data), samples, rows, seed=0) if cell.form == "strict"]
    assert accuracies[0] == 1.0
