"""One finding about this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "bad"]


@dataclass(frozen=True)
class Check:
    """What was looked at and found; `bad` stops a run or falsifies it, `remedy` says what to do if it is not `ok`."""

    name: str
    state: State
    found: str
    remedy: str = ""
