"""Which seconds a response names, in either form."""

import pytest

from stages.blocks import block
from stages.metrics.span_reading import all_spans, first_span

GLUED = "<answer>C</answer><glue>[(3.5, 7), (9, 10)]</glue>"


@pytest.mark.parametrize(
    ("response", "official", "strict"),
    [
        (GLUED, ((3.5, 7.0),), ((3.5, 7.0), (9.0, 10.0))),
        (f"{GLUED} so", ((3.5, 7.0),), ()),
        (f"{GLUED}<glue>1 to 2</glue>", ((3.5, 7.0),), ()),
        ("<answer>C</answer><glue>3 s until about 7 s</glue>", ((3.0, 7.0),), ()),
        ("<answer>from 1:05 to 1:10</answer>", ((65.0, 70.0),), ((65.0, 70.0),)),
        ("<answer>1 to 2, 4 to 5</answer>", ((1.0, 2.0),), ((1.0, 2.0), (4.0, 5.0))),
        ("It happens at 3 seconds and ends at about 4.5", ((3.0, 4.5),), ()),
        ("<answer>at 3 seconds</answer>", (), ()),
        ("<answer>C</answer>", (), ()),
        ("", (), ()),
    ],
)
def test_spans_of_a_block_or_of_the_answer(response, official, strict):
    assert first_span(response) == official
    assert all_spans(response, block(response, "answer", behind=("glue",))) == strict
