import pickle

import numpy as np
import pytest

from sametask._check import InputError
from sametask.networks import from_onnx

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
helper, numpy_helper, TensorProto = onnx.helper, onnx.numpy_helper, onnx.TensorProto
RNG = np.random.default_rng(0)
W1, W2 = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 2))


def graph(batch="n", dtype=np.float32, inputs=("x",), extra=(), outputs=("y",)):
    """y = tanh(x W₁) W₂: tensors ``hidden``, ``act``, ``y``; nodes ``fc1``, ``tanh``, ``fc2``."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["hidden"], name="fc1"),
        helper.make_node("Tanh", ["hidden"], ["act"], name="tanh"),
        helper.make_node("MatMul", ["act", "w2"], ["y"], name="fc2"),
        *extra,
    ]
    weights = [numpy_helper.from_array(w.astype(dtype), name) for name, w in (("w1", W1), ("w2", W2))]
    shape = None if batch == "unsaid" else [batch, 3]
    body = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(name, kind, shape) for name in inputs],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        weights,
    )
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def expected(inputs):
    hidden = inputs @ W1
    return {"hidden": hidden, "act": np.tanh(hidden), "y": np.tanh(hidden) @ W2}


def test_none_is_the_output():
    inputs = RNG.normal(size=(5, 3))
    network = from_onnx(graph().SerializeToString())
    values = network(inputs)
    assert values.dtype == np.float32
    assert np.allclose(values, expected(inputs)["y"], rtol=0, atol=1e-5)
    assert network.neuron_names(2) == ("y[0]", "y[1]")
    assert not network.differentiable
    with pytest.raises(InputError, match="CentralDifference"):
        network.pushforward(inputs, inputs[:, None])


@pytest.mark.parametrize(("layer", "tensor"), [("act", "act"), ("fc1", "hidden"), ("tanh", "act"), ("y", "y")])
def test_layers_are_tensors_or_nodes(layer, tensor):
    inputs = RNG.normal(size=(5, 3))
    values = from_onnx(graph().SerializeToString(), layers=[layer])(inputs)
    assert np.allclose(values, expected(inputs)[tensor], rtol=0, atol=1e-5)


def test_lays_several_layers_side_by_side():
    inputs = RNG.normal(size=(5, 3))
    network = from_onnx(graph(dtype=np.float64).SerializeToString(), layers=["act", "y", "fc1", "tanh"])
    with pytest.raises(InputError, match="call it once"):
        network.neuron_names(14)
    parts = expected(inputs)
    wanted = np.concatenate([parts["act"], parts["y"], parts["hidden"], parts["act"]], axis=1)
    values = network(inputs.astype(np.float32).astype(np.float64))
    assert values.dtype == np.float64
    assert np.allclose(values, wanted, rtol=0, atol=1e-5)
    assert network.neuron_names(14)[3:7] == ("act[3]", "y[0]", "y[1]", "fc1[0]")


@pytest.mark.parametrize("batch", ["n", 1, 4, "unsaid"])
@pytest.mark.parametrize("rows", [1, 4, 7])
def test_any_number_of_rows_through_any_batch_dimension(batch, rows):
    inputs = RNG.normal(size=(rows, 3))
    network = from_onnx(graph(batch).SerializeToString(), layers=["hidden"], batch_size=3)
    values = network(inputs)
    assert values.shape == (rows, 4)
    assert np.allclose(values, expected(inputs)["hidden"], rtol=0, atol=1e-5)


def test_the_same_inputs_give_the_same_bits():
    inputs = RNG.normal(size=(50, 3))
    data = graph().SerializeToString()
    assert np.array_equal(from_onnx(data)(inputs), from_onnx(data)(inputs))


def test_whole_outputs_and_whole_inputs():
    which = helper.make_node("ArgMax", ["act"], ["which"], axis=1, keepdims=0)
    inputs = RNG.normal(size=(5, 3))
    values = from_onnx(graph(extra=[which]).SerializeToString(), layers=["which"])(inputs)
    assert np.array_equal(values[:, 0], expected(inputs)["act"].argmax(1))
    look_up = helper.make_graph(
        [helper.make_node("Gather", ["table", "tokens"], ["y"])],
        "tokens",
        [helper.make_tensor_value_info("tokens", TensorProto.INT64, ["n", 2])],
        [onnx.ValueInfoProto(name="y")],
        [numpy_helper.from_array(W1.astype(np.float32), "table")],
    )
    network = from_onnx(
        helper.make_model(look_up, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    )
    tokens = np.array([[0, 2], [1, 1]], dtype=np.uint8)
    assert np.array_equal(network(tokens), W1.astype(np.float32)[tokens].reshape(2, 8))
    assert np.array_equal(network(tokens.astype(float)), network(tokens))
    with pytest.raises(InputError, match="not all whole numbers"):
        network(np.array([[0.5, 1.0]]))


def test_reads_files_and_external_weights(tmp_path):
    inputs = RNG.normal(size=(5, 3))
    path = tmp_path / "arm.onnx"
    onnx.save(graph(), path)
    assert from_onnx(path).name == "arm"
    assert from_onnx(str(path), name="mine").name == "mine"
    onnx.save(graph(), tmp_path / "big.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert np.array_equal(from_onnx(tmp_path / "big.onnx")(inputs), from_onnx(path)(inputs))
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(InputError, match=r"big\.onnx") as caught:
        from_onnx(tmp_path / "big.onnx")
    assert "\n" not in str(caught.value)


def unknown_operator():
    return graph(extra=[helper.make_node("Nonsense", ["act"], ["z"])]).SerializeToString()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: from_onnx("nowhere.onnx"), r"cannot read 'nowhere.onnx' \(No such file"),
        (lambda: from_onnx(b""), "these bytes is not an ONNX model"),
        (lambda: from_onnx(b"not a graph at all"), "not an ONNX model"),
        (lambda: from_onnx(__file__), "test_networks_onnx.py' is not an ONNX model"),
        (lambda: from_onnx(graph(inputs=("x", "z")).SerializeToString()), r"2 inputs \('x', 'z'\)"),
        (
            lambda: from_onnx(graph().SerializeToString(), layers=["hiden"]),
            "layers: no 'hiden'; did you mean 'hidden'",
        ),
        (lambda: from_onnx(graph().SerializeToString(), layers=["w1"]), "layers: no 'w1'"),
        (lambda: from_onnx(graph().SerializeToString(), layers=["x"]), "layers: no 'x'"),
        (lambda: from_onnx(graph().SerializeToString(), layers=["y", "y"]), "'y' named more than once"),
        (lambda: from_onnx(graph().SerializeToString(), batch_size=0), "batch_size: 0"),
        (lambda: from_onnx(unknown_operator(), layers=["z"]), "ONNX Runtime cannot run these bytes"),
        (
            lambda: from_onnx(graph().SerializeToString())(np.ones((2, 4))),
            r"inputs: shape \(2, 4\); the graph's input 'x' takes \(n, 3\)",
        ),
        (lambda: from_onnx(graph().SerializeToString())(np.ones(3)), r"takes \(n, 3\)"),
        (
            lambda: from_onnx(
                graph(extra=[helper.make_node("Transpose", ["act"], ["t"])]).SerializeToString(), layers=["t"]
            )(np.ones((3, 3))),
            r"'t': shape \(4, 3\) for a batch of 3",
        ),
    ],
)
def test_says_in_one_line_what_is_wrong(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("layers", [None, ["act", "fc1"]])
def test_workers_are_sent_the_graph(layers):
    inputs = RNG.normal(size=(5, 3))
    network = from_onnx(graph().SerializeToString(), layers, "small")
    sent = pickle.loads(pickle.dumps(network))
    assert sent.name == "small"
    np.testing.assert_array_equal(sent(inputs), network(inputs))
    assert sent.neuron_names(2 if layers is None else 8) == network.neuron_names(2 if layers is None else 8)
