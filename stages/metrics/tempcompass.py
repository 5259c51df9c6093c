"""TempCompass' reading of an answer (llyx97/TempCompass, eval_multi-choice.py, _yes_no.py, _caption_matching.py).

An answer that these rules do not match goes to a model there, unless its scripts run with `--disable_llm`, which
scores it 0: that is the form here. Captioning is graded by a model alone, and the adapter rejects it.
"""

from __future__ import annotations

from stages.metrics.official import answer_text
from stages.prompts import option_letter
from storage.records import Sample


def tempcompass(response: str, sample: Sample) -> tuple[str | None, float]:
    """The rule of the sample's task: its problem type is yes_no, its `domain` is caption_matching, or multi-choice."""
    text = answer_text(response)
    if sample.problem_type == "yes_no":
        found = _opening(text)
    else:
        found = _whole_option(text, sample) if sample.domain == "caption_matching" else _label(text)
    return found, float(found == sample.answer)


def _opening(text: str) -> str | None:
    """What the text begins with, in either case; so "nothing" is a no."""
    return next((word for word in ("yes", "no") if text.lower().startswith(word)), None)


def _label(text: str) -> str | None:
    """A capital A to D that is all of the text, or is followed by a full stop or a bracket at its very beginning."""
    return text[0] if text[:1] in tuple("ABCD") and text[1:2] in ("", ".", ")") else None


def _whole_option(text: str, sample: Sample) -> str | None:
    """The option that the text is: its label, its sentence, both, or its sentence behind any label that ends in `) `.

    A label is the letter here, as our prompts have it, and "Caption A" or "Option 1" in theirs.
    """
    options = {option_letter(index): option for index, option in enumerate(sample.options)}
    behind = text.partition(") ")[2]
    found = [x for x, option in options.items() if text in (x, f"{x}.", f"{x}. {option}", option) or behind == option]
    return found[-1] if found else None
