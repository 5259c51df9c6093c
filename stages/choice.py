"""Which option of a multiple-choice question an answer names."""

from __future__ import annotations

import re

from stages.prompts import option_letter
from storage.records import Sample

_LABEL = r"(?:\(([A-Za-z])\)[.:]?|([A-Za-z])[.:)])"


def same_choice(predicted: str, sample: Sample) -> bool:
    """Whether `predicted` names the right option; readings are tried from the most explicit to the least.

    A letter (`B`, `b`); a label (`(B)`, `B.`, `B)`, `B:`), alone or with its own option's text; an option's text; a
    bare letter with its own option's text. A letter with any other text, a second letter for one, is no answer.
    """
    texts = {option_letter(i): _plain(option) for i, option in enumerate(sample.options)}
    if sample.answer not in texts and (texts or not re.fullmatch("[A-Z]", sample.answer)):
        raise ValueError(
            f"sample_id={sample.sample_id!r}: answer {sample.answer!r} names none of its {len(texts)} options; "
            "store the capital letter of the right option"
        )
    if alone := re.fullmatch(rf"[A-Za-z]|{_LABEL}", predicted):
        return _letter_in(alone.group()) == sample.answer
    if (labelled := re.match(_LABEL, predicted)) and _own_text(labelled, predicted, texts):
        return _letter_in(labelled.group()) == sample.answer
    if _plain(predicted) in texts.values():
        return _plain(predicted) == texts[sample.answer]
    bare = re.match(r"[A-Za-z](?=\s)", predicted)
    return bare is not None and _own_text(bare, predicted, texts) and _letter_in(bare.group()) == sample.answer


def _letter_in(label: str) -> str:
    return label.strip("().:").upper()


def _own_text(label: re.Match[str], predicted: str, texts: dict[str, str]) -> bool:
    return texts.get(_letter_in(label.group())) == _plain(predicted[label.end() :])


def _plain(text: str) -> str:
    """`text` without case, repeated white space and a final full stop; options may differ in anything else."""
    return " ".join(text.casefold().split()).removesuffix(".")
