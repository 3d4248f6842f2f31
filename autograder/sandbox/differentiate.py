"""Gradients of a learner's function by autograd, where the function is. The caller sees values and gradients only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def vjp(function: Callable, args: Sequence[Any], cotangent: Any = None) -> tuple[Any, list]:
    """The value of `function(*args)` and the gradients of `<value, cotangent>` with respect to its arguments.

    Args:
        function: called once, with copies of `args`.
        args: torch tensors; also lists, tuples and dicts of them, and anything else, which has no gradient.
        cotangent: of the shape of the value, or None where that is a single number. For a tuple, list or dict of
            values: the like, with None for a value that does not count.

    Returns:
        (value, gradients): the value detached, and one gradient for each argument, zero where the value does not depend
        on it and None where it is not a tensor of floating-point numbers.
    """
    import torch

    leaves: list = []

    def track(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        copy = value.detach().clone()
        if copy.is_floating_point() or copy.is_complex():
            leaves.append(copy.requires_grad_())
        return copy

    with torch.enable_grad():
        inputs = [_map(track, arg) for arg in args]
        value = function(*inputs)
    gradients = _gradients(value, cotangent, leaves)
    of_leaf = {id(leaf): gradient for leaf, gradient in zip(leaves, gradients, strict=True)}
    return _detached(value), [_map(lambda leaf: of_leaf.get(id(leaf)), given) for given in inputs]


def parameter_gradients(module: Any, args: Sequence[Any], cotangent: Any = None) -> tuple[Any, dict[str, Any]]:
    """The value of `module(*args)` and the gradient of `<value, cotangent>` for each parameter that is not frozen.

    Args:
        module: a torch.nn.Module; its `.grad`s stay as they are.
        args, cotangent: as for `vjp`.

    Returns:
        (value, gradients): the value detached, and gradients by the names of `named_parameters`.
    """
    import torch

    leaves = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    with torch.enable_grad():
        value = module(*args)
    gradients = _gradients(value, cotangent, list(leaves.values()))
    return _detached(value), dict(zip(leaves, gradients, strict=True))


def _gradients(value: Any, cotangent: Any, leaves: Sequence[Any]) -> Sequence[Any]:
    """d <value, cotangent> / d leaf for each leaf; zero where the value does not depend on it."""
    import torch

    roots = [(part, weight) for part, weight in _pairs(value, cotangent) if part.requires_grad]
    if not roots or not leaves:
        return [torch.zeros_like(leaf) for leaf in leaves]
    parts, weights = zip(*roots, strict=True)
    return torch.autograd.grad(parts, leaves, weights, materialize_grads=True)


def _detached(value: Any) -> Any:
    return _map(lambda part: part.detach() if hasattr(part, "detach") else part, value)


def _map(function: Callable[[Any], Any], value: Any) -> Any:
    """`function` of every leaf of nested lists, tuples and dicts."""
    if isinstance(value, dict):
        return {key: _map(function, item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_map(function, item) for item in value)
    return function(value)


def _pairs(value: Any, cotangent: Any) -> list[tuple]:
    """The tensors of a result, each with the cotangent of its shape."""
    import torch

    if isinstance(value, torch.Tensor):
        if cotangent is None:
            if value.numel() != 1:
                raise ValueError(f"a result of shape {tuple(value.shape)} needs a cotangent: it is not a single number")
            return [(value, torch.ones_like(value))]
        weight = torch.as_tensor(cotangent).to(value)
        if weight.shape != value.shape:
            raise ValueError(f"the result has shape {tuple(value.shape)}, its cotangent {tuple(weight.shape)}")
        return [(value, weight)]
    if isinstance(value, dict) and isinstance(cotangent, dict):
        chosen = [(item, cotangent.get(key)) for key, item in value.items()]
    elif isinstance(value, list | tuple) and isinstance(cotangent, list | tuple) and len(value) == len(cotangent):
        chosen = zip(value, cotangent, strict=True)
    else:
        raise TypeError(f"a result of type {type(value).__name__} has no gradient for this cotangent")
    return [pair for item, weight in chosen if weight is not None for pair in _pairs(item, weight)]
