"""Time spans as answers write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.spans import read_spans, span_iou
from storage.records import Sample

READ = [
    ("0.5 to 1.5", ((0.5, 1.5),)),
    ("0.5-1.5", ((0.5, 1.5),)),
    ("0.5 – 1.5.", ((0.5, 1.5),)),
    ("From 0.5 s to 1.5 seconds", ((0.5, 1.5),)),
    ("[0.5, 1.5]", ((0.5, 1.5),)),
    ("(0.5, 1.5)", ((0.5, 1.5),)),
    ("[(0.5, 1), (2, 3)]", ((0.5, 1.0), (2.0, 3.0))),
    ("[[0.5, 1], [2, 3]]", ((0.5, 1.0), (2.0, 3.0))),
    ("0.0 to 0.5, 1.5 to 2.0", ((0.0, 0.5), (1.5, 2.0))),
    ("0 to 1 and 2 to 3; 4 to 5", ((0.0, 1.0), (2.0, 3.0), (4.0, 5.0))),
    ("1:05 to 1:10.5", ((65.0, 70.5),)),
    ("00:12 - 01:00:34", ((12.0, 3634.0),)),
    ("between 0.5 and 1 and between 2 and 3", ((0.5, 1.0), (2.0, 3.0))),
    ("0.5, 1.5", ((0.5, 1.5),)),
    (".5-1", ((0.5, 1.0),)),
    ("2 to 1", ((2.0, 1.0),)),
]
REFUSED = [
    "",
    "0.5",
    "0.5 to",
    "to 1.5",
    "0.5 to 1.5 or so",
    "about 0.5 to 1.5",
    "0.5 to 1.5 1 to 2",
    "0.5, 1.5, 2.0",
    "0.5, 1, 2, 3",
    "[0.5, 1",
    "(0.5, 1]",
    "1:5 to 2:10",
    "1:60 to 2:10",
    "[0 to 1], " * 200 + "[0 to 1]",
    "A",
]


@pytest.mark.parametrize(("text", "spans"), READ)
def test_spans_are_read(text: str, spans: tuple[tuple[float, float], ...]) -> None:
    assert read_spans(text) == spans


@pytest.mark.parametrize("text", REFUSED)
def test_anything_else_is_no_span(text: str) -> None:
    assert read_spans(text) is None


def test_the_iou_is_that_of_the_sets() -> None:
    sample = Sample(
        "s", "v.mp4", "When?", "0.0 to 0.5, 1.5 to 2.0", "temporal_grounding", spans=((0.0, 0.5), (1.5, 2.0))
    )
    assert span_iou("1.5 to 2.0, 0.0 to 0.5", sample) == 1.0
    assert span_iou("0.0 to 2.0", sample) == 0.5
    assert span_iou("0.0 to 0.5", sample) == 0.5
    assert span_iou("0.5 to 1.5", sample) == 0.0
    assert span_iou(None, sample) == 0.0


@given(st.text(alphabet=st.sampled_from("0123456789:.,;-()[] tosfrmand"), max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    spans = read_spans(text)
    assert spans is None or all(0 <= time < 4e5 + 6e4 * 60 for span in spans for time in span)


times = st.floats(0, 5999, allow_nan=False).map(lambda time: round(time, 2))
notations = st.sampled_from(["{:.2f} to {:.2f}", "[{:.2f}, {:.2f}]", "({:.2f},{:.2f})", "from {:.2f}s to {:.2f} s"])


@given(
    st.lists(st.tuples(times, times, notations), min_size=1, max_size=5), st.sampled_from([", ", "; ", " and ", ","])
)
def test_written_spans_come_back(spans: list[tuple[float, float, str]], between: str) -> None:
    written = between.join(notation.format(start, end) for start, end, notation in spans)
    expected = tuple((start, end) for start, end, _ in spans)
    assert read_spans(written) == read_spans(f"[{written}]") == expected
