"""x"""


def watch() -> None:
    """x"""
