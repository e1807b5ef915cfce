import dataclasses
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sametask._check import InputError
from sametask.networks import from_torch

torch = pytest.importorskip("torch")
flop_counter = pytest.importorskip("torch.utils.flop_counter")
nn = torch.nn
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def mlp(inplace=True):
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(inplace=inplace), nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 2))


def convolutional():
    net = nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding="same"), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 6, 3, groups=2, padding=1, stride=2), nn.BatchNorm2d(6), nn.SiLU(), nn.Flatten()),
        *(nn.Linear(24, 3), nn.Softmax(dim=-1)),
    )
    for part in net:
        if isinstance(part, nn.BatchNorm2d):  # statistics as after training
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
            nn.init.uniform_(part.weight, 0.5, 2)
    return net


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.encoder(x).mean(1))


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.core = kind(4, 6, batch_first=True)

    def forward(self, x):
        return self.core(x)[0][:, -1]


class Transposed(nn.Module):
    """Everything whose derivatives are taken a shorter way, and weights that depend on the input."""

    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose1d(2, 3, 4, stride=2, padding=1, output_padding=1, bias=False)
        self.norm = nn.BatchNorm1d(3, affine=False)
        self.own = nn.BatchNorm1d(3, track_running_stats=False)
        self.key = nn.Linear(4, 9 * 3)

    def forward(self, x):
        weight = self.key(x.mean(1)).reshape(-1, 3, 9)[0]
        h = self.norm(self.up(x))
        return nn.functional.linear(h, weight, bias=h.mean((0, 1))[:3]).flatten(1) + h.sum((1, 2))[:, None]


def central_differences(network, inputs, tangents, step=1e-5):
    return np.stack(
        [
            (network(inputs + step * tangents[:, j]) - network(inputs - step * tangents[:, j])) / (2 * step)
            for j in range(tangents.shape[1])
        ],
        axis=-1,
    )


def plain(module, inputs):
    with torch.no_grad():
        return module.eval()(torch.tensor(inputs, dtype=torch.float32)).numpy()


# ---- activations ----------------------------------------------------------------------------------------


def test_none_is_the_output():
    net, inputs = mlp(), RNG.normal(size=(7, 3))
    values = from_torch(net)(inputs)
    assert values.dtype == np.float32
    assert np.array_equal(values, plain(net, inputs))


def test_captures_layers_before_later_layers_overwrite_them_in_place():
    net, inputs = mlp(), RNG.normal(size=(7, 3))
    before = plain(net[0], inputs)
    assert (before < 0).any()
    assert np.array_equal(from_torch(net, layers=["0"])(inputs), before)
    assert np.array_equal(from_torch(net, layers=["1"])(inputs), np.maximum(before, 0))


def test_the_inputs_are_not_overwritten_either():
    inputs = RNG.normal(size=(7, 3)).astype(np.float32)
    before = inputs.copy()
    from_torch(nn.ReLU(inplace=True))(inputs)
    assert np.array_equal(inputs, before)


def test_lays_several_layers_side_by_side_flattened():
    net, images = convolutional(), RNG.normal(size=(5, 1, 8, 8))
    network = from_torch(net, layers=["3", "9"])
    values = network(images)
    assert values.shape == (5, 4 * 4 * 4 + 3)
    assert np.array_equal(values[:, :64], from_torch(net, layers="3")(images))
    assert np.array_equal(values[:, 64:], from_torch(net)(images))
    names = network.neuron_names(67)
    assert (names[0], names[63], names[64]) == ("3[0]", "3[63]", "9[0]")
    with pytest.raises(InputError, match="returns 67 columns"):
        network.neuron_names(66)


def test_names_of_several_layers_are_known_after_the_first_call():
    with pytest.raises(InputError, match="call it once"):
        from_torch(mlp(), layers=["0", "2"]).neuron_names(13)
    assert from_torch(mlp(), layers=["0"]).neuron_names(2) == ("0[0]", "0[1]")
    assert from_torch(mlp()).neuron_names(2) == ("output[0]", "output[1]")


def test_batches_agree_with_one_pass():
    net, inputs = mlp().double(), RNG.normal(size=(23, 3))
    whole = from_torch(net, batch_size=100)
    parts = from_torch(net, batch_size=5)
    assert np.allclose(whole(inputs), parts(inputs), rtol=0, atol=1e-15)
    tangents = RNG.normal(size=(23, 2, 3))
    for a, b in zip(whole.pushforward(inputs, tangents), parts.pushforward(inputs, tangents), strict=True):
        assert np.allclose(a, b, rtol=0, atol=1e-15)


def test_the_module_is_left_as_it_was():
    net = convolutional()
    net[1].eval()  # one part in evaluation mode on purpose
    net.train(True)
    net[1].eval()
    modes = [part.training for part in net.modules()]
    statistics_before = net[5].running_mean.clone()
    network = from_torch(net, layers=["4"])
    first = network(np.ones((4, 1, 8, 8)))
    assert np.array_equal(first, network(np.ones((4, 1, 8, 8))))
    network.pushforward(np.ones((4, 1, 8, 8)), np.ones((4, 1, 1, 8, 8)))
    assert [part.training for part in net.modules()] == modes
    assert torch.equal(net[5].running_mean, statistics_before)
    assert torch.backends.mha.get_fastpath_enabled()
    assert torch.is_grad_enabled()
    assert all(p.requires_grad and p.grad is None for p in net.parameters())


def test_no_hook_and_no_mode_is_left_behind_by_an_error():
    net = mlp()
    network = from_torch(net, layers=["0", "3"])
    with pytest.raises(InputError):
        network(np.ones((4, 5)))
    with pytest.raises(InputError):
        network.pushforward(np.ones((4, 5)), np.ones((4, 1, 5)))
    assert all(not part._forward_hooks for part in net.modules())
    assert net.training
    network(np.ones((4, 3)))
    assert all(not part._forward_hooks for part in net.modules())


def test_modules_keep_their_dtype_and_whole_numbers_stay_whole():
    assert from_torch(mlp().double())(np.ones((2, 3), np.float32)).dtype == np.float64
    assert from_torch(mlp())(np.ones((2, 3))).dtype == np.float32
    assert from_torch(mlp().bfloat16())(np.ones((2, 3))).dtype == np.float32
    assert from_torch(nn.Identity())(np.ones((2, 3))).dtype == np.float64
    tokens = RNG.integers(0, 9, size=(6, 4))
    values = from_torch(nn.Sequential(nn.Embedding(9, 5), nn.Flatten()))(tokens)
    assert values.shape == (6, 20)
    assert from_torch(nn.Identity())(tokens).dtype == np.float64


def test_reads_arrays_in_any_order_of_bytes_and_strides():
    net, inputs = mlp(), RNG.normal(size=(6, 3))
    expected = from_torch(net)(inputs)
    assert np.array_equal(from_torch(net)(inputs.astype(">f8")), expected)
    assert np.array_equal(from_torch(net)(inputs[::-1])[::-1], expected)


class Output(nn.Module):
    def __init__(self, wrap):
        super().__init__()
        self.layer, self.wrap = nn.Linear(3, 2), wrap

    def forward(self, x):
        return self.wrap(self.layer(x))


@dataclasses.dataclass
class Named:
    loss: None
    logits: object


@pytest.mark.parametrize(
    "wrap",
    [
        lambda y: (y, y + 1),
        lambda y: {"a": y, "b": 1},
        lambda y: [None, (y,)],
        lambda y: Named(None, y),
        lambda y: y.to_dense(),
    ],
)
def test_the_first_tensor_of_an_output_counts(wrap):
    net, inputs = Output(wrap), RNG.normal(size=(4, 3))
    assert np.array_equal(from_torch(net)(inputs), plain(net.layer, inputs))
    outer = nn.Sequential()
    outer.add_module("inner", net)
    assert np.array_equal(from_torch(outer, layers=["inner"])(inputs), plain(net.layer, inputs))


def test_the_last_call_of_a_layer_counts():
    layer = nn.Linear(3, 3)
    net, inputs = nn.Sequential(layer, nn.Tanh(), layer), RNG.normal(size=(4, 3))
    expected = plain(net, inputs)
    assert np.array_equal(from_torch(net, layers=["0"])(inputs), expected)
    assert np.array_equal(from_torch(net, layers=["2"])(inputs), expected)


def test_transformers_are_read_without_their_fast_path():
    net, inputs = Attention(), RNG.normal(size=(4, 5, 8))
    values = from_torch(net, layers=["encoder.linear1", "encoder.self_attn"])(inputs)
    assert values.shape == (4, 5 * 16 + 5 * 8)
    assert np.allclose(from_torch(net)(inputs), plain(net, inputs), rtol=0, atol=1e-6)


# ---- derivatives ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "shape", "layers"),
    [
        (mlp, (3,), None),
        (lambda: mlp().extend([nn.Softplus(), nn.LayerNorm(2)]), (3,), ["0", "1", "3", "6"]),
        (convolutional, (1, 8, 8), ["0", "1", "2", "3", "6", "9"]),
        (Attention, (5, 8), ["encoder", "encoder.norm1", "head"]),
        (lambda: Recurrent(nn.LSTM), (6, 4), ["core"]),
        (lambda: Recurrent(nn.GRU), (6, 4), None),
        (Transposed, (2, 4), ["norm", "key"]),
        (
            lambda: nn.Sequential(nn.Conv1d(2, 4, 5, dilation=2, padding=4), nn.GELU(), nn.AvgPool1d(2)),
            (2, 12),
            ["0", "2"],
        ),
        (lambda: nn.Sequential(nn.Conv3d(1, 2, 2), nn.ELU(inplace=True), nn.Flatten()), (1, 3, 3, 3), None),
    ],
)
def test_derivatives_agree_with_central_differences(make, shape, layers):
    network = from_torch(make().double(), layers=layers)
    inputs, tangents = RNG.normal(size=(4, *shape)), RNG.normal(size=(4, 3, *shape))
    values, derivatives = network.pushforward(inputs, tangents)
    assert np.allclose(values, network(inputs), rtol=0, atol=1e-12)
    assert derivatives.shape == (*values.shape, 3)
    differences = central_differences(network, inputs, tangents)
    assert np.allclose(derivatives, differences, rtol=0, atol=1e-7 * max(1, np.abs(differences).max()))
    assert np.abs(derivatives).max() > 0


def test_weights_that_depend_on_the_input_carry_their_share():
    network = from_torch(Transposed().double(), batch_size=1)  # it mixes the samples of a batch
    inputs, tangents = RNG.normal(size=(3, 2, 4)), RNG.normal(size=(3, 2, 2, 4))
    _, derivatives = network.pushforward(inputs, tangents)
    assert np.allclose(derivatives, central_differences(network, inputs, tangents), rtol=0, atol=1e-7)


def test_batch_statistics_are_not_taken_for_constants():
    network = from_torch(nn.BatchNorm1d(3, track_running_stats=False).double(), batch_size=4)
    inputs, tangents = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 1, 3))
    _, derivatives = network.pushforward(inputs, tangents)
    assert np.allclose(derivatives, central_differences(network, inputs, tangents), rtol=0, atol=1e-7)


def test_the_output_of_a_composition_with_a_renderer():
    class Rendered(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = mlp()

        def forward(self, angle):
            turns = torch.arange(1, 4, dtype=angle.dtype)
            return self.net(torch.sin(angle * turns))

    network = from_torch(Rendered().double(), layers=["net.3"])
    inputs = RNG.uniform(size=(5, 1))
    _, derivatives = network.pushforward(inputs, np.ones((5, 1, 1)))
    assert np.allclose(derivatives, central_differences(network, inputs, np.ones((5, 1, 1))), rtol=0, atol=1e-8)


class Detached(nn.Module):
    def forward(self, x):
        return x.detach() * 2


class NoRule(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return g * 2


class WithoutRule(nn.Module):
    def forward(self, x):
        return NoRule.apply(x)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Detached(), "no derivative reaches 'output'"),
        (Output(lambda y: y.argmax(1)), "no derivative reaches 'output'"),
        (Output(lambda y: torch.ones(len(y), 2)), "no derivative reaches 'output'"),
        (WithoutRule(), r"no exact derivatives through this module .*CentralDifference"),
    ],
)
def test_says_where_derivatives_end_and_never_returns_zeros_instead(module, message):
    network = from_torch(module)
    network(np.ones((2, 3)))
    with pytest.raises(InputError, match=message) as caught:
        network.pushforward(np.ones((2, 3)), np.ones((2, 1, 3)))
    assert "\n" not in str(caught.value)


def test_whole_numbers_have_no_derivative():
    net = nn.Sequential(nn.Embedding(9, 5), nn.Flatten())
    with pytest.raises(InputError, match="whole numbers have no derivative"):
        from_torch(net).pushforward(np.ones((2, 3), int), np.ones((2, 1, 3)))


@pytest.mark.parametrize(("make", "shape"), [(mlp, (3,)), (convolutional, (1, 8, 8))])
def test_d_tangents_cost_at_most_three_passes_for_each_and_one(make, shape):
    """Counted in multiplications; what it takes in time a benchmark shows."""
    network = from_torch(make())
    inputs = RNG.normal(size=(50, *shape)).astype(np.float32)

    def multiplications(run):
        with flop_counter.FlopCounterMode(display=False) as counter:
            run()
        return counter.get_total_flops()

    base = multiplications(lambda: network(inputs))
    for d in (1, 2, 3):
        tangents = RNG.normal(size=(50, d, *shape)).astype(np.float32)
        cost = multiplications(lambda tangents=tangents: network.pushforward(inputs, tangents))
        assert 2 * base <= cost <= 3 * (d + 1) * base


# ---- other kinds of modules -----------------------------------------------------------------------------


def scripted(kind):
    net = mlp()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "script":
            return net, torch.jit.script(net)
        if kind == "trace":
            return net, torch.jit.trace(net.eval(), torch.ones(2, 3))
        return net, torch.jit.freeze(torch.jit.script(net.eval()))


@pytest.mark.parametrize("kind", ["script", "trace", "frozen"])
def test_torchscript_modules_are_read_at_their_output(kind):
    net, script = scripted(kind)
    inputs, tangents = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 2, 3))
    for _ in range(3):  # the interpreter optimises after a few runs
        assert np.allclose(from_torch(script)(inputs), plain(net, inputs), rtol=0, atol=1e-6)
        _, expected = from_torch(net).pushforward(inputs, tangents)
        assert np.allclose(from_torch(script).pushforward(inputs, tangents)[1], expected, rtol=0, atol=1e-6)
    with pytest.raises(InputError, match=r"'0'; of a TorchScript module only the output"):
        from_torch(script, layers=["0"])


@pytest.mark.parametrize("dynamic", [True, False])
def test_exported_programs_are_read_at_any_layer(dynamic):
    net = convolutional().eval()
    shapes = ({0: torch.export.Dim("n")},) if dynamic else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(net, (torch.ones(3, 1, 8, 8),), dynamic_shapes=shapes)
    images, tangents = RNG.normal(size=(7, 1, 8, 8)), RNG.normal(size=(7, 2, 1, 8, 8))
    for layers in (None, ["0", "3", "8"]):
        exported, python = from_torch(program, layers=layers), from_torch(net, layers=layers)
        assert np.allclose(exported(images), python(images), rtol=0, atol=1e-6)
        for a, b in zip(exported.pushforward(images, tangents), python.pushforward(images, tangents), strict=True):
            assert np.allclose(a, b, rtol=0, atol=1e-5)
    assert from_torch(program).name == "exported program"
    with pytest.raises(InputError, match="layers: no '8x'"):
        from_torch(program, layers=["8x"])


def test_an_exported_program_of_two_inputs_is_refused():
    class Two(nn.Module):
        def forward(self, x, y):
            return x + y

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(Two(), (torch.ones(2, 3), torch.ones(2, 3)))
    with pytest.raises(InputError, match=r"2 inputs \('x', 'y'\)"):
        from_torch(program)


# ---- elsewhere, and side by side ------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")  # torch warns about its own files
@pytest.mark.parametrize("kind", ["module", "script", "trace", "frozen", "exported", "exported layers"])
def test_workers_are_sent_the_network(kind):
    inputs, tangents = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 2, 3))
    layers = ["1", "3"] if kind in ("module", "exported layers") else None
    if kind in ("script", "trace", "frozen"):
        made = scripted(kind)[1]
    elif kind == "module":
        made = mlp()
    else:
        made = torch.export.export(
            mlp(inplace=False), (torch.ones(5, 3),), dynamic_shapes=({0: torch.export.Dim("n")},)
        )
    network = from_torch(made, layers, name="sent")
    there = pickle.loads(pickle.dumps(network))
    assert there.name == "sent"
    np.testing.assert_array_equal(there(inputs), network(inputs))
    for a, b in zip(there.pushforward(inputs, tangents), network.pushforward(inputs, tangents), strict=True):
        np.testing.assert_array_equal(a, b)
    m = network(inputs).shape[1]
    assert there.neuron_names(m) == network.neuron_names(m)
    # and on from there
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(there))(inputs), network(inputs))


def test_threads_do_not_take_each_others_activations():
    net = nn.Sequential(nn.Linear(3, 50), nn.Dropout(0.5), nn.Tanh(), nn.Linear(50, 4))
    network = from_torch(net, ["1", "2"])
    inputs = [RNG.normal(size=(400, 3)) for _ in range(40)]
    expected = [network(x) for x in inputs]
    with ThreadPoolExecutor(8) as pool:
        for found, known in zip(pool.map(network, inputs), expected, strict=True):
            np.testing.assert_array_equal(found, known)
    assert net.training


# ---- mistakes -------------------------------------------------------------------------------------------


class Uncalled(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.idle = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x):
        return self.used(x)


def sequence_first():
    class Inner(nn.Module):
        def forward(self, x):
            return x.transpose(0, 1)

    return nn.Sequential(Inner(), nn.Flatten())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: from_torch(mlp(), layers=["conv"]), "layers: no 'conv'; there are '0', '1'"),
        (lambda: from_torch(Attention(), layers=["encoder.liner1"]), "did you mean 'encoder.linear1'"),
        (lambda: from_torch(mlp(), layers=["0", "0"]), "'0' named more than once"),
        (lambda: from_torch(mlp(), layers=[]), "give a list of names"),
        (lambda: from_torch(Uncalled(), layers=["idle"])(np.ones((2, 3))), "'idle' is never called"),
        (
            lambda: from_torch(nn.Sequential(Output(lambda y: "text")), layers=["0"])(np.ones((2, 3))),
            "returns no tensor",
        ),
        (lambda: from_torch(lambda x: x), "module: function; give a torch .* st.from_callable"),
        (lambda: from_torch(3), "module: int; give a torch"),
        (lambda: from_torch(mlp(), batch_size=0), "batch_size: 0"),
        (lambda: from_torch(mlp())(np.ones((2, 5))), r"raised RuntimeError at inputs of shape \(n, 5\)"),
        (lambda: from_torch(mlp())(np.ones((2, 3), int)), "give floats"),
        (lambda: from_torch(mlp())(np.ones((0, 3))), "at least one sample"),
        (lambda: from_torch(mlp()).pushforward(np.ones((2, 3)), np.ones((2, 1, 4))), "tangents: shape"),
        (
            lambda: from_torch(mlp()).pushforward(np.ones((2, 5)), np.ones((2, 1, 5))),
            r"raised RuntimeError at inputs of shape \(n, 5\)",
        ),
        (lambda: from_torch(sequence_first())(np.ones((2, 3, 4))), r"shape \(3, 8\) for a batch of 2"),
        (lambda: from_torch(Output(lambda y: y.to_sparse()))(np.ones((2, 3))), "no plain tensor"),
        (lambda: from_torch(Output(lambda y: y + 1j))(np.ones((2, 3))), "dtype complex64"),
    ],
)
def test_says_in_one_line_what_is_wrong(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
