"""What can go wrong between a user and a run; the command line maps each to an exit code."""

from __future__ import annotations


class UserError(Exception):
    """The user's input is wrong: one line that says what, the rule and the remedy. Exit code 2."""


class RunBusy(UserError):
    """Another process works on the run."""


class DamagedRun(Exception):
    """A committed file is missing or its bytes differ from its recorded digest. Exit code 1."""


class VideoError(ValueError):
    """A video that cannot be used; the message names the file and the reason."""


class ImageError(ValueError):
    """An image that cannot be used; the message names the file and the reason."""
