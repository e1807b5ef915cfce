import numpy as np
import pytest

from sametask._check import InputError
from sametask.networks import from_callable

RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(3, 4))


def tanh(x):
    return np.tanh(x @ WEIGHTS)


def tanh_jacobian(x):
    return (1 - np.tanh(x @ WEIGHTS) ** 2)[:, :, None] * WEIGHTS.T


def central_differences(network, inputs, tangents, step=1e-5):
    sides = [
        (network(inputs + step * tangents[:, j]) - network(inputs - step * tangents[:, j])) / (2 * step)
        for j in range(tangents.shape[1])
    ]
    return np.stack(sides, axis=-1)


@pytest.mark.parametrize(
    ("function", "columns"),
    [
        (lambda x: x[:, 0], 1),
        (lambda x: x, 3),
        (lambda x: np.stack([x, x], axis=1), 6),
        (lambda x: x.tolist(), 3),
        (lambda x: x > 0, 3),
    ],
)
def test_returns_one_row_of_floats_for_each_sample(function, columns):
    values = from_callable(function)(RNG.normal(size=(5, 3)))
    assert values.shape == (5, columns)
    assert values.dtype == np.float64


def test_flattens_each_sample_in_order():
    images = RNG.normal(size=(4, 2, 3))
    assert np.array_equal(from_callable(lambda x: x)(images), images.reshape(4, 6))


@pytest.mark.parametrize(("given", "kept"), [("f4", "f4"), ("f8", "f8"), ("f2", "f4"), ("i4", "f8")])
def test_keeps_single_and_double_precision(given, kept):
    assert from_callable(lambda x: x.astype(given))(np.ones((2, 3))).dtype == np.dtype(kept)


def test_takes_torch_tensors_that_carry_gradients():
    torch = pytest.importorskip("torch")
    weights = torch.tensor(WEIGHTS, requires_grad=True)
    network = from_callable(lambda x: torch.tanh(torch.tensor(x) @ weights))
    inputs = RNG.normal(size=(5, 3))
    assert np.allclose(network(inputs), tanh(inputs), rtol=0, atol=1e-15)


def test_the_function_may_work_in_place():
    inputs = np.ones((2, 3))

    def double(x):
        x *= 2
        return x

    assert np.array_equal(from_callable(double)(inputs), 2 * np.ones((2, 3)))
    assert np.array_equal(inputs, np.ones((2, 3)))


def test_is_named_after_the_function():
    class Simulator:
        def __call__(self, x):
            return x

    assert from_callable(tanh).name == "tanh"
    assert from_callable(tanh, "mine").name == "mine"
    assert from_callable(lambda x: x).name == "function"
    assert from_callable(Simulator()).name == "Simulator"
    assert from_callable(tanh).neuron_names(2) == ("output[0]", "output[1]")


def test_an_exact_jacobian_is_contracted_with_the_tangents():
    network = from_callable(tanh, jacobian=tanh_jacobian)
    inputs, tangents = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 2, 3))
    values, derivatives = network.pushforward(inputs, tangents)
    assert network.differentiable
    assert np.array_equal(values, tanh(inputs))
    assert np.allclose(derivatives, central_differences(network, inputs, tangents), rtol=0, atol=1e-8)


def test_a_jacobian_is_with_respect_to_flattened_inputs():
    network = from_callable(
        lambda x: x.sum(axis=(1, 2)) ** 2,
        jacobian=lambda x: np.ones((len(x), 1, 6)) * 2 * x.sum(axis=(1, 2))[:, None, None],
    )
    images, tangents = RNG.normal(size=(4, 2, 3)), RNG.normal(size=(4, 1, 2, 3))
    _, derivatives = network.pushforward(images, tangents)
    assert np.allclose(derivatives, central_differences(network, images, tangents), rtol=0, atol=1e-6)


def test_without_a_jacobian_there_are_no_derivatives():
    network = from_callable(tanh)
    assert not network.differentiable
    with pytest.raises(InputError, match=r"jacobian=.*CentralDifference"):
        network.pushforward(np.zeros((2, 3)), np.zeros((2, 1, 3)))


def raising(x):
    raise KeyError("no weights")


@pytest.mark.parametrize(
    ("function", "inputs", "message"),
    [
        (lambda x: x[:2], np.zeros((5, 3)), r"shape \(2, 3\) for a batch of 5"),
        (lambda x: x.sum(), np.zeros((5, 3)), r"shape \(\) for a batch of 5"),
        (lambda x: x + 1j, np.zeros((5, 3)), "dtype complex128"),
        (lambda x: [[1, 2], [3]], np.zeros((2, 3)), "not an array"),
        (lambda x: None, np.zeros((1, 3)), "dtype object"),
        (lambda x: x[:, :0], np.zeros((2, 3)), "no neurons"),
        (raising, np.zeros((2, 3)), r"raising: raised KeyError at inputs of shape \(2, 3\).*no weights"),
        (tanh, np.zeros((0, 3)), "at least one sample"),
        (tanh, np.array(["a", "b"]), "real numbers"),
    ],
)
def test_says_in_one_line_what_is_wrong_with_a_call(function, inputs, message):
    with pytest.raises(InputError, match=message) as caught:
        from_callable(function)(np.asarray(inputs))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("jacobian", "tangents", "message"),
    [
        (lambda x: np.zeros((2, 3, 4)), np.zeros((2, 1, 3)), r"give real numbers of shape \(2, 4, 3\)"),
        (lambda x: 1j * tanh_jacobian(x), np.zeros((2, 1, 3)), "complex"),
        (raising, np.zeros((2, 1, 3)), "raised KeyError"),
        (tanh_jacobian, np.zeros((2, 1, 4)), r"shape \(2, d, 3\)"),
        (tanh_jacobian, np.zeros((2, 0, 3)), r"shape \(2, d, 3\)"),
        (tanh_jacobian, np.zeros((2, 3)), r"shape \(2, d, 3\)"),
    ],
)
def test_says_in_one_line_what_is_wrong_with_derivatives(jacobian, tangents, message):
    with pytest.raises(InputError, match=message) as caught:
        from_callable(tanh, jacobian=jacobian).pushforward(np.zeros((2, 3)), tangents)
    assert "\n" not in str(caught.value)


def test_whole_numbers_have_no_derivative():
    with pytest.raises(InputError, match="whole numbers have no derivative"):
        from_callable(tanh, jacobian=tanh_jacobian).pushforward(np.zeros((2, 3), int), np.zeros((2, 1, 3)))


def test_offers_a_method_for_an_estimator():
    linear_model = pytest.importorskip("sklearn.linear_model")
    with pytest.raises(InputError, match=r"LogisticRegression cannot be called.*decision_function"):
        from_callable(linear_model.LogisticRegression())
    with pytest.raises(InputError, match=r"LinearRegression cannot be called.*x\.predict\)"):
        from_callable(linear_model.LinearRegression())


def test_refuses_what_cannot_be_called():
    with pytest.raises(InputError, match="int; give something that can be called"):
        from_callable(3)  # pyright: ignore
    with pytest.raises(InputError, match="jacobian: int"):
        from_callable(tanh, jacobian=3)  # pyright: ignore


def test_sends_torch_modules_to_from_torch():
    torch = pytest.importorskip("torch")
    with pytest.raises(InputError, match="from_torch"):
        from_callable(torch.nn.Linear(2, 2))


def test_wrong_number_of_columns_to_name():
    from_callable(tanh).neuron_names(4)
    from sametask.networks._rows import column_names

    with pytest.raises(InputError, match="returns 3 columns"):
        column_names("net", ("a", "b"), {"a": 1, "b": 2}, 4)
    with pytest.raises(InputError, match="call it once"):
        column_names("net", ("a", "b"), {}, 4)
