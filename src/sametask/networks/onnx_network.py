"""ONNX graphs as networks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, final

import numpy as np

from sametask import _check
from sametask._check import InputError, first_line
from sametask._types import Array, Float, Shaped
from sametask.networks._rows import as_columns, as_inputs, batches, checked_layers, column_names
from sametask.networks.network import Network


@final
class OnnxNetwork(Network):
    """Tensors inside an ONNX graph as a network; made by :func:`from_onnx`."""

    def __init__(self, model: bytes, layers: tuple[str, ...], tensors: tuple[str, ...], name: str, size: int):
        """A graph, the layers' names, and the graph outputs that carry them."""
        self._model = model
        self._session = session = _session(model)
        self._layers = layers
        self._tensors = tensors
        self._name = name
        (graph_input,) = session.get_inputs()
        self._input = graph_input.name
        self._shape = tuple(graph_input.shape)  # whole numbers where fixed; () if unsaid
        self._dtype = _numpy_dtype(graph_input.type)
        self._exact = bool(self._shape) and isinstance(self._shape[0], int)
        self._batch_size = self._shape[0] if self._exact else size
        self._widths: dict[str, int] = {}  # columns of each layer, known after the first call

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_session"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _session=_session(state["_model"]))

    @property
    def name(self) -> str:
        """How reports call this network."""
        return self._name

    def __call__(self, inputs: Shaped[Array, "n ..."]) -> Float[Array, "n m"]:
        """The activations at a batch of inputs, cast to the dtype of the graph's input.

        Raises:
            InputError: inputs of another shape or kind than the graph's, or a tensor whose first axis is not
                the batch.
        """
        samples = self._cast(as_inputs(self.name, inputs))
        parts = []
        for rows, (batch,) in batches((samples,), self._batch_size, exact=self._exact):
            try:
                values = self._session.run(list(self._tensors), {self._input: batch})
            except Exception as error:
                raise InputError(
                    f"{self.name}: ONNX Runtime failed at inputs of shape {batch.shape}: {first_line(error)}"
                ) from error
            columns = [
                as_columns(f"{self.name}: {layer!r}", value, len(batch))[:rows]
                for layer, value in zip(self._layers, values, strict=True)
            ]
            self._widths = {layer: part.shape[1] for layer, part in zip(self._layers, columns, strict=True)}
            parts.append(columns[0] if len(columns) == 1 else np.concatenate(columns, axis=1))
        return np.concatenate(parts)

    def neuron_names(self, m: int) -> tuple[str, ...]:
        """``"layer[index]"``, the index counting the layer's neurons flattened.

        Raises:
            InputError: ``m`` is not the number of columns, or several layers were asked for and none was seen
                yet.
        """
        return column_names(self.name, self._layers, self._widths, m)

    def _cast(self, samples: Array) -> Array:
        shape = ("n", *self._shape[1:])
        fits = not self._shape or samples.ndim == len(shape)
        fits = fits and all(
            size == wanted
            for size, wanted in zip(samples.shape[1:], shape[1:], strict=False)
            if isinstance(wanted, int)
        )
        if not fits:
            words = ", ".join("?" if size is None else str(size) for size in shape)
            raise InputError(f"inputs: shape {samples.shape}; the graph's input {self._input!r} takes ({words})")
        cast = samples.astype(self._dtype)
        if self._dtype.kind != "f" and not np.array_equal(cast, samples):
            raise InputError(f"inputs: not all whole numbers that fit {self._dtype}, which {self._input!r} takes")
        return cast


def from_onnx(
    path_or_bytes: str | os.PathLike[str] | bytes,
    layers: list[str] | tuple[str, ...] | str | None = None,
    name: str | None = None,
    *,
    batch_size: int = 256,
) -> OnnxNetwork:
    """Make a network of an ONNX graph, or of some of the tensors inside it.

    There are no exact derivatives through it: probe it with ``st.CentralDifference()`` or ``st.Burst()``.

    Args:
        path_or_bytes: an ONNX file, or its bytes.
        layers: names of tensors inside the graph, or of nodes, which stand for their first output; several
            are laid side by side, each flattened for each sample. None is the graph's first output. The first
            axis must be the batch.
        name: how reports call it; the file's stem by default.
        batch_size: rows for each run; a graph with a fixed batch dimension is run in batches of that size.

    Raises:
        InputError: no such file, not ONNX, more than one input, or a layer that does not exist (nearest names
            given).
    """
    size = _check.count("batch_size", batch_size)
    wanted = checked_layers(layers)
    onnx = _check.require("onnx", "onnx")
    _check.require("onnxruntime", "onnx")
    if isinstance(path_or_bytes, bytes | bytearray | memoryview):
        what, label = "these bytes", None
    else:
        what, label = f"{str(path_or_bytes)!r}", Path(path_or_bytes).stem
    model = _read(onnx, path_or_bytes, what)
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    names = [value.name for value in graph.input if value.name not in constants]
    if len(names) != 1:
        raise InputError(
            f"path_or_bytes: {what} has {len(names)} inputs ({', '.join(map(repr, names))}), not one; "
            "wrap it with st.from_callable"
        )
    layers_read = wanted or (graph.output[0].name,)
    tensors = _tensors(graph, layers_read)
    del graph.output[:]
    graph.output.extend(onnx.ValueInfoProto(name=tensor) for tensor in dict.fromkeys(tensors))  # ORT infers types
    try:
        return OnnxNetwork(model.SerializeToString(), layers_read, tensors, name or label or graph.name or "onnx", size)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"path_or_bytes: ONNX Runtime cannot run {what}: {first_line(error)}") from error


def _session(model: bytes) -> Any:
    ort = _check.require("onnxruntime", "onnx")
    options = ort.SessionOptions()
    options.log_severity_level = 4  # what goes wrong comes as an exception
    options.use_deterministic_compute = True
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _read(onnx: Any, path_or_bytes: Any, what: str) -> Any:
    try:
        if isinstance(path_or_bytes, bytes | bytearray | memoryview):
            model = onnx.load_model_from_string(bytes(path_or_bytes))
        else:
            model = onnx.load(os.fspath(path_or_bytes))
    except OSError as error:
        raise InputError(f"path_or_bytes: cannot read {what} ({error.strerror or first_line(error)})") from None
    except Exception as error:
        raise InputError(f"path_or_bytes: {what} is not an ONNX model ({first_line(error)})") from error
    if not model.graph.node or not model.graph.output:  # almost any short file is a valid empty message
        raise InputError(f"path_or_bytes: {what} is not an ONNX model, or one without nodes or outputs")
    return model


def _tensors(graph: Any, layers: tuple[str, ...]) -> tuple[str, ...]:
    """The tensor that each layer names: a tensor of that name, or the first output of a node of that name."""
    outputs = {output for node in graph.node for output in node.output if output}
    nodes = {node.name: node.output[0] for node in graph.node if node.name and node.output}
    known = list(dict.fromkeys(name for node in graph.node for name in (*node.output, node.name) if name))
    return tuple(layer if layer in outputs else nodes[_check.one_of("layers", layer, known)] for layer in layers)


def _numpy_dtype(kind: str) -> np.dtype[Any]:
    """``"tensor(float)"`` → float32."""
    word = kind.removeprefix("tensor(").removesuffix(")")
    known = {"float": "float32", "double": "float64"}
    try:
        return np.dtype(known.get(word, word))
    except TypeError:
        raise InputError(f"path_or_bytes: the graph takes {kind}; only arrays of numbers can be probed") from None
