"""Video-MMMU's reading of an answer, which its repository leaves to lmms-eval: MMMU's, with other marks of a letter."""

from __future__ import annotations

from stages.metrics.mmmu_open import holds_answer
from stages.metrics.official import answer_text
from stages.prompts import option_letter
from storage.records import Sample

_ENDS = ",.!?;:'"
_LABELS = ("{}.", "{}:", "({})")


def video_mmmu(response: str, sample: Sample) -> tuple[str | None, float]:
    """The option that the answer names, or whether it holds the text or number that is right."""
    text = answer_text(response)
    if not sample.options:
        return text or None, float(holds_answer(text, sample.answer))
    letter = _named_option(text, sample)
    return letter, float(letter == sample.answer)


def _named_option(text: str, sample: Sample) -> str | None:
    """The last letter before a full stop, else before a colon, else in brackets, else before a space, else (of more
    than five words) the last option whose text there is (EvolvingLMMs-Lab/lmms-eval,
    lmms_eval/tasks/_task_utils/mmmu_mcq_utils.py, `parse_videommmu_multi_choice_response`).

    The letter may end a word ("DNA." is A). Before a space the last is that with a space on either side, else the first
    option's.
    """
    for end in _ENDS:
        text = text.strip(end)
    text, letters = f" {text} ", [option_letter(index) for index in range(len(sample.options))]
    for label in _LABELS:
        if found := [letter for letter in letters if label.format(letter) in text]:
            return max(found, key=lambda letter: text.rfind(label.format(letter)))
    if found := [letter for letter in letters if f"{letter} " in text]:
        return max(found, key=lambda letter: text.rfind(f" {letter} "))
    if len(text.split()) <= 5:
        return None
    places = {
        letter: text.lower().rfind(option.lower()) for letter, option in zip(letters, sample.options, strict=True)
    }
    last = max(places, key=lambda letter: places[letter])
    return last if places[last] >= 0 else None
