"""The shapes that a loss can be asked for: log-probs and mask [N, T], one value a response [N]."""

from torch import Tensor

HOW_MANY = {2: "both", 3: "all three", 4: "all four"}


def check_tokens(**tensors: Tensor) -> None:
    """Raises ValueError, with every name and shape, unless all have the same."""
    shapes = [str(tuple(tensor.shape)) for tensor in tensors.values()]
    if len(set(shapes)) > 1:
        raise ValueError(
            f"{_listed([*tensors])} have shapes {_listed(shapes)}: pass {HOW_MANY[len(tensors)]} as [N, T]"
        )


def check_responses(mask: Tensor, **tensors: Tensor) -> None:
    """Raises ValueError for a tensor that is not one value for each of the mask's N responses."""
    for name, tensor in tensors.items():
        if tensor.shape != mask.shape[:1]:
            raise ValueError(f"{name} have shape {tuple(tensor.shape)}: pass one for each of {len(mask)} responses")


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"
