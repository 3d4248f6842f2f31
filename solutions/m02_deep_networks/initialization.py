"""Where the weights of a deep network begin, and what becomes of the activations on their way up, in NumPy.

A weight matrix w is (fan_in, fan_out) and stands on the right of its rows, x · w: entry [i, j] takes input i to unit j. So
fan_in, the number of inputs that one unit adds up, counts the rows of w, and fan_out, the number of units that one input
feeds, counts its columns. (PyTorch stores the transpose and calls the same two numbers by the same names.)

Every initializer makes exactly one draw from the generator that it is given, for the whole matrix, as its docstring says:
the same state of the generator must give the same weights.

Letters: N rows, L layers. All arrays are float64.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float


def _fan(fan_in: int, fan_out: int, mode: str) -> int:
    """The fan that `mode` names, "fan_in" or "fan_out"; anything else raises ValueError."""
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f'mode is "fan_in" or "fan_out", not {mode!r}')
    return fan_in if mode == "fan_in" else fan_out


def xavier_uniform(
    rng: np.random.Generator, fan_in: int, fan_out: int, gain: float = 1.0
) -> Float[np.ndarray, "fan_in fan_out"]:
    """Draw weights evenly from (-a, a) with a = gain · √(6 / (fan_in + fan_out)).

    Their variance is a² / 3 = gain² · 2 / (fan_in + fan_out): a compromise between 1 / fan_in, which keeps the size of the
    activations of linear layers, and 1 / fan_out, which keeps that of the gradients on their way back.

    Args:
        rng: the generator; the draw is `rng.uniform(-a, a, (fan_in, fan_out))`.
        fan_in: the number of inputs of the layer.
        fan_out: the number of its units.
        gain: what an activation takes away and the weights should make up for.

    Returns:
        The weights, (fan_in, fan_out).

    Reference:
        Glorot & Bengio, Understanding the difficulty of training deep feedforward neural networks (2010), equation 16.

    Example:
        >>> w = xavier_uniform(np.random.default_rng(0), fan_in=2, fan_out=4, gain=3.0)  # a = 3
        >>> bool(np.allclose(w, np.random.default_rng(0).uniform(-3.0, 3.0, (2, 4))))
        True
    """
    # BEGIN SOLUTION
    bound = gain * math.sqrt(6.0 / (fan_in + fan_out))
    return rng.uniform(-bound, bound, (fan_in, fan_out))  # (fan_in, fan_out)
    # END SOLUTION


def xavier_normal(
    rng: np.random.Generator, fan_in: int, fan_out: int, gain: float = 1.0
) -> Float[np.ndarray, "fan_in fan_out"]:
    """Draw weights from a normal distribution of mean zero and standard deviation gain · √(2 / (fan_in + fan_out)).

    Args:
        rng: the generator; the draw is `rng.standard_normal((fan_in, fan_out))`, which is then scaled.
        fan_in: the number of inputs of the layer.
        fan_out: the number of its units.
        gain: what an activation takes away and the weights should make up for.

    Returns:
        The weights, (fan_in, fan_out).

    Reference:
        Glorot & Bengio, Understanding the difficulty of training deep feedforward neural networks (2010), equation 12.

    Example:
        >>> w = xavier_normal(np.random.default_rng(0), fan_in=3, fan_out=5, gain=4.0)  # a standard deviation of 2
        >>> bool(np.allclose(w, 2.0 * np.random.default_rng(0).standard_normal((3, 5))))
        True
    """
    # BEGIN SOLUTION
    std = gain * math.sqrt(2.0 / (fan_in + fan_out))
    return std * rng.standard_normal((fan_in, fan_out))  # (fan_in, fan_out)
    # END SOLUTION


def kaiming_uniform(
    rng: np.random.Generator, fan_in: int, fan_out: int, slope: float = 0.0, mode: str = "fan_in"
) -> Float[np.ndarray, "fan_in fan_out"]:
    """Draw weights for (leaky) ReLU layers evenly from (-a, a) with a = √(2 / (1 + slope²)) · √(3 / fan).

    Their variance is a² / 3 = 2 / ((1 + slope²) · fan). The 2 / (1 + slope²) makes up for what the activation takes away:
    half of the mean square in a ReLU, nothing where slope = 1.

    Args:
        rng: the generator; the draw is `rng.uniform(-a, a, (fan_in, fan_out))`.
        fan_in: the number of inputs of the layer.
        fan_out: the number of its units.
        slope: that of the leaky ReLU for negative entries; 0 for the ReLU, 1 for no activation.
        mode: which fan: "fan_in" keeps the size of the activations, "fan_out" that of the gradients. `_fan` above chooses,
            and raises the error.

    Returns:
        The weights, (fan_in, fan_out).

    Raises:
        ValueError: `mode` is something else.

    Reference:
        He, Zhang, Ren & Sun, Delving Deep into Rectifiers (2015), section 2.2, equations 12 and 15.

    Example:
        >>> w = kaiming_uniform(np.random.default_rng(0), fan_in=5, fan_out=6, slope=0.0, mode="fan_out")  # a = 1
        >>> bool(np.allclose(w, np.random.default_rng(0).uniform(-1.0, 1.0, (5, 6))))
        True
    """
    # BEGIN SOLUTION
    bound = math.sqrt(6.0 / ((1.0 + slope**2) * _fan(fan_in, fan_out, mode)))
    return rng.uniform(-bound, bound, (fan_in, fan_out))  # (fan_in, fan_out)
    # END SOLUTION


def kaiming_normal(
    rng: np.random.Generator, fan_in: int, fan_out: int, slope: float = 0.0, mode: str = "fan_in"
) -> Float[np.ndarray, "fan_in fan_out"]:
    """Draw weights for (leaky) ReLU layers from a normal distribution of mean zero and variance 2 / ((1 + slope²) · fan).

    Args:
        rng: the generator; the draw is `rng.standard_normal((fan_in, fan_out))`, which is then scaled.
        fan_in: the number of inputs of the layer.
        fan_out: the number of its units.
        slope: that of the leaky ReLU for negative entries; 0 for the ReLU, 1 for no activation.
        mode: which fan, "fan_in" or "fan_out", as in `kaiming_uniform`.

    Returns:
        The weights, (fan_in, fan_out).

    Raises:
        ValueError: `mode` is something else.

    Reference:
        He, Zhang, Ren & Sun, Delving Deep into Rectifiers (2015), section 2.2, equations 12 and 15.

    Example:
        >>> w = kaiming_normal(np.random.default_rng(0), fan_in=8, fan_out=3)  # a standard deviation of one half
        >>> bool(np.allclose(w, 0.5 * np.random.default_rng(0).standard_normal((8, 3))))
        True
    """
    # BEGIN SOLUTION
    std = math.sqrt(2.0 / ((1.0 + slope**2) * _fan(fan_in, fan_out, mode)))
    return std * rng.standard_normal((fan_in, fan_out))  # (fan_in, fan_out)
    # END SOLUTION


def orthogonal(
    rng: np.random.Generator, fan_in: int, fan_out: int, gain: float = 1.0
) -> Float[np.ndarray, "fan_in fan_out"]:
    """Draw a matrix that turns and never stretches, evenly from all there are, and multiply it by the gain.

    A tall or square matrix (fan_in ≥ fan_out) has orthonormal columns, wᵀ · w = gain² · 1; a wide one has orthonormal
    rows, w · wᵀ = gain² · 1. It comes from the QR decomposition of a random normal matrix:

        a = rng.standard_normal((fan_in, fan_out)), transposed if it is wide
        q, r = np.linalg.qr(a)
        column j of q changes its sign wherever r[j, j] is negative
        q is transposed back if a was transposed, and multiplied by the gain

    Without the change of signs q would depend on how the library computes it, and would not be spread evenly; with it the
    decomposition has only one answer, that with a positive diagonal of r.

    Args:
        rng: the generator; the draw is `rng.standard_normal((fan_in, fan_out))`, for wide matrices, too.
        fan_in: the number of inputs of the layer.
        fan_out: the number of its units.
        gain: how much longer every vector gets.

    Returns:
        The weights, (fan_in, fan_out).

    Reference:
        Saxe, McClelland & Ganguli, Exact solutions to the nonlinear dynamics of learning in deep linear neural networks
        (2014), section 3. Mezzadri, How to generate random matrices from the classical compact groups (2007), section 5.

    Example:
        >>> w = orthogonal(np.random.default_rng(0), fan_in=2, fan_out=5, gain=3.0)
        >>> bool(np.allclose(w @ w.T, 9.0 * np.eye(2)))
        True
    """
    # BEGIN SOLUTION
    a = rng.standard_normal((fan_in, fan_out))  # (fan_in, fan_out)
    q, r = np.linalg.qr(a if fan_in >= fan_out else a.T)  # (longer, shorter), (shorter, shorter)
    q = q * np.sign(np.diag(r))  # (longer, shorter)
    return gain * (q if fan_in >= fan_out else q.T)  # (fan_in, fan_out)
    # END SOLUTION


def activation_statistics(
    x: Float[np.ndarray, "N D"],
    weights: Sequence[Float[np.ndarray, "_ _"]],
    activation: Callable[[Float[np.ndarray, "..."]], Float[np.ndarray, "..."]],
) -> dict[str, Float[np.ndarray, "L"]]:
    """Send rows up through many layers and measure what comes out of each: h ← activation(h · w), with h = x at first.

    Each number is taken over all entries of a layer's output, all rows and all units together.

    Args:
        x: the input, one example a row, (N, D).
        weights: the weight matrices from the first layer to the last, (D, M1), (M1, M2) and so on. There are no biases.
        activation: works elementwise on arrays of any shape; it follows every layer, the last as well.

    Returns:
        A dict of three float64 arrays with an entry for every layer, (L,): "mean", the mean of the layer's output; "std", its
        standard deviation, the root of the mean squared distance from that mean; and "zeros", which share of the output
        is exactly zero, from 0 to 1. The input x itself is not among them.

    Reference:
        Glorot & Bengio, Understanding the difficulty of training deep feedforward neural networks (2010), section 3.

    Example:
        >>> double, relu = np.array([[2.0]]), lambda z: np.maximum(z, 0.0)
        >>> found = activation_statistics(np.array([[-1.0], [1.0], [2.0], [-5.0]]), [double, -double], relu)
        >>> found["mean"].tolist(), found["zeros"].tolist()
        ([1.5, 0.0], [0.5, 1.0])
        >>> (found["std"] ** 2).round(12).tolist()
        [2.75, 0.0]
    """
    # BEGIN SOLUTION
    outputs = []
    for w in weights:
        x = activation(x @ w)  # (N, M)
        outputs.append(x)
    return {
        "mean": np.array([h.mean() for h in outputs]),  # (L,)
        "std": np.array([h.std() for h in outputs]),  # (L,)
        "zeros": np.array([np.mean(h == 0) for h in outputs]),  # (L,)
    }
    # END SOLUTION
