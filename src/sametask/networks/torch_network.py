"""PyTorch modules, TorchScript modules and exported programs as networks."""

from __future__ import annotations

import dataclasses
import io
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, final

import numpy as np

from sametask import _check
from sametask._check import InputError, first_line
from sametask._types import Array, Float, Shaped
from sametask.networks._dual import linear_parts
from sametask.networks._rows import (
    as_columns,
    as_inputs,
    as_tangents,
    batches,
    checked_layers,
    column_names,
)
from sametask.networks.network import Network

OUTPUT = "output"
_Forward = Callable[[Any], list[tuple[Any, Any]]]
_alone = threading.RLock()
"""Modes of modules, their hooks and some switches of torch belong to the process: one pass at a time."""


@final
class TorchNetwork(Network):
    """Layers of a torch module as a network; made by :func:`from_torch`."""

    def __init__(
        self,
        module: Any,
        layers: tuple[str, ...] | None,
        name: str,
        batch_size: int | None,
        *,
        exact: bool,
        program: Any = None,
    ):
        """A module, its layers' names (None for the output), the rows for each pass, or exactly those, and the exported
        program that the module was made of, if it was."""
        self._module = module
        self._program = program
        self._layers = layers
        self._names = layers or (OUTPUT,)
        self._name = name
        self._batch_size = batch_size
        self._exact = exact  # compiled for batches of exactly batch_size rows
        self._widths: dict[str, int] = {}  # columns of each layer, known after the first call

    def __getstate__(self) -> dict[str, Any]:
        """TorchScript and exported programs as torch writes them to files, modules as they pickle themselves."""
        torch = _check.require("torch", "torch")
        state, written = self.__dict__.copy(), io.BytesIO()
        if self._program is not None:
            torch.export.save(self._program, written)
        elif isinstance(self._module, torch.jit.ScriptModule):
            torch.jit.save(self._module, written)
        else:
            return state
        return {**state, "_module": None, "_program": None, "_written": (self._program is not None, written.getvalue())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        exported, written = state.pop("_written", (False, b""))
        vars(self).update(state)
        if not written:
            return
        torch = _check.require("torch", "torch")
        if exported:
            self._program = torch.export.load(io.BytesIO(written))
            self._module = _module_of(self._program, self._layers)
        else:
            with warnings.catch_warnings():  # TorchScript is deprecated; it is what there is
                warnings.simplefilter("ignore", DeprecationWarning)
                self._module = torch.jit.load(io.BytesIO(written))

    @property
    def name(self) -> str:
        """How reports call this network."""
        return self._name

    @property
    def differentiable(self) -> bool:
        """Always: nearly every operator has a forward-mode rule; :meth:`pushforward` says which not."""
        return True

    def __call__(self, inputs: Shaped[Array, "n ..."]) -> Float[Array, "n m"]:
        """The activations at a batch of inputs, in evaluation mode and without gradients.

        Raises:
            InputError: the module raised something at these inputs, or a layer was not reached or returns
                anything but a tensor with one row for each input.
        """
        samples = as_inputs(self.name, inputs)
        size = self._batch_size or _rows_for(samples)
        parts = []
        with _undisturbed(self._module), self._hooked() as forward:
            for rows, (batch,) in batches((samples,), size, exact=self._exact):
                values = self._plain(forward, batch)
                parts.append(self._columns([value for value, _ in values], len(batch))[:rows])
        return np.concatenate(parts)

    def neuron_names(self, m: int) -> tuple[str, ...]:
        """``"layer[index]"``, the index counting the layer's neurons flattened.

        Raises:
            InputError: ``m`` is not the number of columns, or several layers were asked for and none was seen
                yet.
        """
        return column_names(self.name, self._names, self._widths, m)

    def pushforward(
        self, inputs: Shaped[Array, "n ..."], tangents: Shaped[Array, "n d ..."]
    ) -> tuple[Float[Array, "n m"], Float[Array, "n m d"]]:
        """Activations and their derivatives along each tangent, by dual numbers.

        Each pair of an input and a tangent is one row of a batch of dual numbers.

        Raises:
            InputError: an operator has no forward-mode rule, or no derivative reaches a layer.
        """
        samples = as_inputs(self.name, inputs)
        directions = as_tangents(samples, tangents)
        n, d = directions.shape[:2]
        pairs = (samples.repeat(d, axis=0), directions.reshape(n * d, *samples.shape[1:]))
        size = self._batch_size or _rows_for(samples)
        values, slopes = [], []
        with _undisturbed(self._module), self._hooked() as forward, _dual_numbers(self._module):
            for rows, (batch, along) in batches(pairs, size, exact=self._exact):
                duals = self._dual(forward, batch, along)
                values.append(self._columns([value for value, _ in duals], len(batch))[:rows])
                slopes.append(self._columns([slope for _, slope in duals], len(batch))[:rows])
        activations = np.concatenate(values)[::d]
        return activations, np.concatenate(slopes).reshape(n, d, -1).transpose(0, 2, 1)

    @contextmanager
    def _hooked(self) -> Iterator[_Forward]:
        """One pass as a function: a tensor to the value and the derivative, or None, of each layer."""
        torch = _check.require("torch", "torch")
        caught: dict[str, Any] = {}

        def forward(batch: Any) -> list[tuple[Any, Any]]:
            caught.clear()
            result = self._module(batch)
            if self._layers is None:
                caught[OUTPUT] = _first_tensor(result)
            return [torch.autograd.forward_ad.unpack_dual(self._reached(caught, layer)) for layer in self._names]

        with ExitStack() as stack:
            stack.enter_context(torch.no_grad())
            for layer in self._layers or ():
                hook = self._module.get_submodule(layer).register_forward_hook(_catch(caught, layer))
                stack.callback(hook.remove)
            yield forward

    def _reached(self, caught: dict[str, Any], layer: str) -> Any:
        if layer not in caught:
            raise InputError(f"layers: {layer!r} is never called in a forward pass of {self.name}; choose another")
        if caught[layer] is None:
            raise InputError(f"layers: {layer!r} of {self.name} returns no tensor; choose another")
        return caught[layer]

    def _plain(self, forward: _Forward, batch: Array) -> list[tuple[Any, Any]]:
        try:
            return forward(self._tensor(batch))
        except InputError:
            raise
        except Exception as error:
            hint = "; whole numbers are passed on as they are: give floats?" if batch.dtype.kind in "iub" else ""
            raise InputError(
                f"{self.name}: raised {type(error).__name__} at inputs of shape {_shape(batch)} "
                f"and dtype {batch.dtype}: {first_line(error)}{hint}"
            ) from error

    def _dual(self, forward: _Forward, batch: Array, along: Array) -> list[tuple[Any, Any]]:
        torch = _check.require("torch", "torch")
        try:
            point = self._tensor(batch)
            direction = torch.tensor(along, dtype=point.dtype, device=point.device)
            duals = forward(torch.autograd.forward_ad.make_dual(point, direction))
        except InputError:
            raise
        except Exception as error:
            self._plain(forward, batch)  # says so if these inputs are the trouble, not their derivatives
            raise InputError(
                f"{self.name}: no exact derivatives through this module ({first_line(error)}); "
                "use st.CentralDifference() instead of st.Jacobian()"
            ) from error
        for layer, (_, slope) in zip(self._names, duals, strict=True):
            if slope is None:  # never passed off as a derivative of zero
                raise InputError(
                    f"{self.name}: no derivative reaches {layer!r}: it is constant, of whole numbers, or "
                    "detached from the input; choose another layer, or use st.CentralDifference()"
                )
        return duals

    def _tensor(self, batch: Array) -> Any:
        """A copy on the module's device, real numbers in the dtype of its parameters."""
        torch = _check.require("torch", "torch")
        like = next((p for p in _parameters(self._module) if p.is_floating_point()), None)
        if like is None:
            anything = next(_parameters(self._module), None)
            return torch.tensor(batch, device=None if anything is None else anything.device)
        return torch.tensor(batch, dtype=like.dtype if batch.dtype.kind == "f" else None, device=like.device)

    def _columns(self, values: list[Any], rows: int) -> Float[Array, "n m"]:
        parts = []
        for layer, value in zip(self._names, values, strict=True):
            if value.is_floating_point() and value.element_size() < 4:  # NumPy has no bfloat16
                value = value.float()
            try:
                numbers = value.numpy(force=True)
            except (TypeError, RuntimeError) as error:  # sparse, quantized
                raise InputError(f"{self.name}: {layer!r} is no plain tensor ({first_line(error)})") from error
            parts.append(as_columns(f"{self.name}: {layer!r}", numbers, rows))
            self._widths[layer] = parts[-1].shape[1]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def from_torch(
    module: Any,
    layers: list[str] | tuple[str, ...] | str | None = None,
    name: str | None = None,
    *,
    batch_size: int | None = None,
) -> TorchNetwork:
    """Make a network of a torch module, or of some of its layers.

    The module is called in evaluation mode, without gradients, on its own device; afterwards its mode is as
    before and no hook is left on it. Real inputs are cast to the dtype of its parameters, whole numbers
    (tokens, pixels) stay so.

    Args:
        module: a ``torch.nn.Module`` with one tensor as input, a TorchScript module (its output only), or a
            ``torch.export.ExportedProgram``. One exported for a fixed batch is run in batches of that size.
        layers: names as in ``module.named_modules()``; several are laid side by side, each flattened for each
            sample. None is the module's output. Where a layer or module returns a tuple or a dictionary, the
            first tensor in it counts; where a layer is called several times in a pass, its last call counts.
            What is captured is the value at that moment, whatever later layers do to it in place. The first
            axis must be the batch.
        name: how reports call it; the module's class by default.
        batch_size: rows for each forward pass; by default fewer the larger an input, 512 at most.

    Raises:
        InputError: not a module, a layer that does not exist (with the nearest names), or layers of
            TorchScript.

    Example:
        >>> import torch
        >>> net = from_torch(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh()), layers=["0"])
        >>> net.neuron_names(3)
        ('0[0]', '0[1]', '0[2]')
    """
    torch = _check.require("torch", "torch")
    size = None if batch_size is None else _check.count("batch_size", batch_size)
    wanted = checked_layers(layers)
    if isinstance(module, torch.export.ExportedProgram):
        return _from_exported(module, wanted, name, size)
    if not isinstance(module, torch.nn.Module):
        raise InputError(
            f"module: {type(module).__name__}; give a torch or TorchScript module or an exported program"
            + ("; a function goes to st.from_callable" if callable(module) else "")
        )
    label = name or getattr(module, "original_name", type(module).__name__)
    if wanted is not None and isinstance(module, torch.jit.ScriptModule):
        raise InputError(
            f"layers: {wanted[0]!r}; of a TorchScript module only the output can be read: "
            "leave layers out, or give the Python module or its torch.export program"
        )
    _check_exist(module, wanted)
    return TorchNetwork(module, wanted, label, size, exact=False)


def _from_exported(program: Any, layers: tuple[str, ...] | None, name: str | None, size: int | None) -> TorchNetwork:
    names = list(program.graph_signature.user_inputs)
    if len(names) != 1:
        raise InputError(
            f"module: the exported program has {len(names)} inputs ({', '.join(map(repr, names))}), not one; "
            "wrap it with st.from_callable"
        )
    placeholder = next(node for node in program.graph.nodes if node.name == names[0])
    shape = getattr(placeholder.meta["val"], "shape", ())
    if not shape:
        raise InputError("module: the exported program takes no batch of inputs, but a single number")
    module = _module_of(program, layers)
    _check_exist(module, layers)
    fixed = isinstance(shape[0], int)
    rows = shape[0] if fixed else size
    return TorchNetwork(module, layers, name or "exported program", rows, exact=fixed, program=program)


def _module_of(program: Any, layers: tuple[str, ...] | None) -> Any:
    torch = _check.require("torch", "torch")
    with warnings.catch_warnings():  # torch's own copying of tree specifications warns about itself
        warnings.simplefilter("ignore")
        return program.module() if layers is None else torch.export.unflatten(program)


def _check_exist(module: Any, layers: tuple[str, ...] | None) -> None:
    known = [layer for layer, _ in module.named_modules(remove_duplicate=False) if layer]
    for layer in layers or ():
        _check.one_of("layers", layer, known)


def _catch(caught: dict[str, Any], layer: str) -> Callable[[Any, Any, Any], None]:
    """A forward hook that keeps a clone: a later layer working in place must not change what was captured."""

    def hook(_module: Any, _args: Any, result: Any) -> None:
        tensor = _first_tensor(result)
        caught[layer] = None if tensor is None else tensor.clone()

    return hook


def _first_tensor(value: Any) -> Any:
    """The first tensor in nested tuples, lists, dictionaries and data classes, or None."""
    torch = _check.require("torch", "torch")
    if isinstance(value, torch.Tensor):
        return value
    if isinstance(value, dict):
        inside: Any = value.values()
    elif isinstance(value, tuple | list):
        inside = value
    elif dataclasses.is_dataclass(value):
        inside = [getattr(value, field.name) for field in dataclasses.fields(value)]
    else:
        return None
    return next((tensor for item in inside if (tensor := _first_tensor(item)) is not None), None)


def _parameters(module: Any) -> Iterator[Any]:
    torch = _check.require("torch", "torch")
    yield from module.parameters()
    yield from module.buffers()
    if isinstance(module, torch.jit.ScriptModule):  # a frozen one has constants instead
        for node in module.inlined_graph.nodes():
            if node.kind() == "prim::Constant" and isinstance(value := node.output().toIValue(), torch.Tensor):
                yield value


def _rows_for(samples: Array) -> int:
    """Rows in a batch where the user did not say: fewer the larger an input, for the sake of memory."""
    return int(np.clip(2**18 // max(samples[0].size, 1), 16, 512))


def _shape(batch: Array) -> str:
    return f"(n, {', '.join(map(str, batch.shape[1:]))})" if batch.ndim > 1 else "(n,)"


@contextmanager
def _undisturbed(module: Any) -> Iterator[None]:
    """Evaluation mode inside, and every layer reached by its hooks; everything as it was outside."""
    torch = _check.require("torch", "torch")
    with _alone:
        modes = [(part, part.training) for part in module.modules() if hasattr(part, "training")]
        switched = any(training for _, training in modes)
        fastpath = torch.backends.mha.get_fastpath_enabled()
        try:
            # the fast path of transformers skips the layers inside, which then have neither hooks nor derivatives
            torch.backends.mha.set_fastpath_enabled(False)
            if switched:
                try:
                    module.eval()
                except NotImplementedError:  # exported graphs have their mode built in
                    switched = False
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fastpath)
            if switched:
                module.train(modes[0][1])  # of the module itself
                for part, training in modes:
                    if part.training != training:
                        part.training = training


@contextmanager
def _dual_numbers(module: Any) -> Iterator[None]:
    """Forward mode inside, with operators that have rules for it."""
    torch = _check.require("torch", "torch")
    attention = _check.require("torch.nn.attention", "torch")
    onednn = torch.backends.mkldnn.enabled
    try:
        # the fused LSTM and the fused attentions have no forward mode
        if any(isinstance(part, torch.nn.LSTM) for part in module.modules()):
            torch.backends.mkldnn.enabled = False
        with (
            torch.autograd.forward_ad.dual_level(),
            attention.sdpa_kernel(attention.SDPBackend.MATH),
            linear_parts(),
        ):
            with warnings.catch_warnings():
                # the first dual number has torch compile some rules, and warn about its own compiler
                warnings.simplefilter("ignore", DeprecationWarning)
                torch.autograd.forward_ad.make_dual(torch.zeros(1), torch.zeros(1))
            yield
    finally:
        torch.backends.mkldnn.enabled = onednn
