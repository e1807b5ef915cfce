"""Cheaper dual numbers: derivatives through affine layers as one more application of their linear part."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sametask import _check


@contextmanager
def linear_parts() -> Iterator[None]:
    """Inside, an affine layer y = A x + b of constant A and b takes a dual number (x, ẋ) to (A x + b, A ẋ).

    torch's own forward-mode rules come to the same, but also multiply and add the derivatives of A and b,
    which are zero here; building and adding those zeros costs more than the rest of a pass through a small
    network. Everything else, and an affine layer whose weights depend on the input, is left to torch.
    """
    torch = _check.require("torch", "torch")
    functional, aten = torch.nn.functional, torch.ops.aten
    unpack, dual = torch.autograd.forward_ad.unpack_dual, torch.autograd.forward_ad.make_dual
    fixed = (torch.nn.Parameter, int, float, bool, tuple, list, type(None))
    with_bias_third = {
        *(functional.linear, aten.linear.default),
        *(torch.conv1d, torch.conv2d, torch.conv3d),
        *(aten.conv1d.default, aten.conv2d.default, aten.conv3d.default),
        *(torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d),
    }

    def linear_part(func: Any, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        """The other arguments with which ``func`` is linear in its first, or None if it is not affine."""
        if func in with_bias_third and len(args) >= 2 and not kwargs:
            return (args[1], *((None,) if len(args) > 2 else ()), *args[3:]), {}
        if func is functional.batch_norm and len(args) == 3 and not kwargs.get("training"):
            mean, variance = args[1:]
            if mean is not None and variance is not None:
                return (torch.zeros_like(mean), variance), {**kwargs, "bias": None}
        return None

    def constant(value: Any) -> bool:
        return isinstance(value, fixed) or not isinstance(value, torch.Tensor) or unpack(value).tangent is None

    class LinearParts(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            linear = linear_part(func, args, kwargs)
            if linear is None or not all(map(constant, (*args[1:], *kwargs.values()))):
                return func(*args, **kwargs)
            value, slope = unpack(args[0])
            if slope is None:
                return func(*args, **kwargs)
            return dual(func(value, *args[1:], **kwargs), func(slope, *linear[0], **linear[1]))

    with LinearParts():
        yield
