"""Types of the fields that benchmarks' rows share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, PlainValidator

from storage.datasets.rows import Row
from storage.video import VISION_TOKENS


def _without_vision(text: str) -> str:
    if found := next((token for token in VISION_TOKENS if token in text), None):
        raise ValueError(f"no text holds {found}, which stands for a video or an image")
    return text


def _checked_id(value: Any) -> int | str:
    if type(value) is int and value >= 0:
        return value
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise ValueError("a whole number that is not negative, or a text")


Plain = Annotated[str, AfterValidator(_without_vision)]
Text = Annotated[str, Field(min_length=1), AfterValidator(_without_vision)]
Id = Annotated[int | str, PlainValidator(_checked_id)]
Letter = Annotated[str, Field(pattern="^[A-Z]$")]
Digits = Annotated[str, Field(pattern=r"^\d+$")]
Seconds = Annotated[float, Field(ge=0)]
Duration = Annotated[float, Field(gt=0)]
Span = Annotated[list[Seconds], Field(min_length=2, max_length=2)]
Options = Annotated[list[Text], Field(min_length=2, max_length=26)]


def odd_id(given: int | str) -> list[str]:
    """The oddity that a text is where ids are numbers."""
    return ["text_ids"] if isinstance(given, str) else []


class PublishedRow(Row):
    """Base of rows of files that are published in several editions: a field that no rule knows is kept out and named.

    What a rule does know is as exact as in any other row.
    """

    model_config = ConfigDict(extra="allow")

    def not_read(self) -> list[str]:
        """The oddities that the row's unknown fields are."""
        return [f"field_not_read: {name}" for name in self.model_extra or {}]
