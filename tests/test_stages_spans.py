"""Time spans as answers write them."""

import pytest

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
