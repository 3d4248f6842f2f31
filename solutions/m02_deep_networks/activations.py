"""Activation functions beyond the ReLU, each with its derivative, in NumPy.

The ReLU is flat wherever its input is negative, and a unit that is negative for every row learns nothing. The
functions here keep a slope there. All of them work elementwise on float64 arrays of any shape, transposed ones among
them, return a new float64 array of that shape, and are right for large inputs, too, ±1000 say. Derivatives are taken
at the input of the activation, not its output.

Two helpers are given: `_erf`, because NumPy has no erf (and SciPy may not be imported), and `_sigmoid`.
"""

import math

import numpy as np
from jaxtyping import Float

_erf = np.vectorize(math.erf, otypes=[np.float64])  # math.erf at every entry of an array


def _sigmoid(x: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """σ(x) = 1 / (1 + exp(-x)), which is (1 + tanh(x / 2)) / 2: right for any x, however large."""
    return 0.5 + 0.5 * np.tanh(0.5 * x)  # (...)


def leaky_relu(x: Float[np.ndarray, "..."], slope: float = 0.01) -> Float[np.ndarray, "..."]:
    """Keep what is positive and let the rest leak through: x where x > 0, slope · x elsewhere.

    Args:
        x: any shape.
        slope: what negative entries are multiplied by. Usually small, but any number will do: a negative one, and one
            above 1, where max(x, slope · x) is wrong.

    Returns:
        An array of the same shape.

    Reference:
        Maas, Hannun & Ng, Rectifier Nonlinearities Improve Neural Network Acoustic Models (2013), section 2.

    Example:
        >>> leaky_relu(np.array([-4.0, 0.0, 3.0]), slope=0.25).tolist()
        [-1.0, 0.0, 3.0]
    """
    # BEGIN SOLUTION
    return np.where(x > 0, x, slope * x)  # (...)
    # END SOLUTION


def leaky_relu_grad(x: Float[np.ndarray, "..."], slope: float = 0.01) -> Float[np.ndarray, "..."]:
    """The derivative of the leaky ReLU at every entry: 1 where x > 0, slope elsewhere.

    At x = 0 there is no derivative; we take `slope` there, as PyTorch does.

    Args:
        x: the input of `leaky_relu`, any shape.
        slope: as there, any number.

    Returns:
        A float64 array of the same shape.

    Reference:
        Maas, Hannun & Ng, Rectifier Nonlinearities Improve Neural Network Acoustic Models (2013), section 2.

    Example:
        >>> leaky_relu_grad(np.array([-4.0, 0.0, 3.0]), slope=0.25).tolist()
        [0.25, 0.25, 1.0]
    """
    # BEGIN SOLUTION
    return np.where(x > 0, 1.0, slope)  # (...)
    # END SOLUTION


def elu(x: Float[np.ndarray, "..."], alpha: float = 1.0) -> Float[np.ndarray, "..."]:
    """Keep what is positive and let the rest sink towards -α: x where x > 0, α · (exp(x) - 1) elsewhere.

    `np.where` computes both sides everywhere, and exp(1000) overflows: exponentiate only numbers that are not positive.

    Args:
        x: any shape.
        alpha: α, any number; the value far to the left is -α.

    Returns:
        An array of the same shape.

    Reference:
        Clevert, Unterthiner & Hochreiter, Fast and Accurate Deep Network Learning by Exponential Linear Units (2016),
        section 3, equation 15.

    Example:
        >>> elu(np.array([-1000.0, -np.log(2.0), 0.0, 1000.0]), alpha=3.0).tolist()
        [-3.0, -1.5, 0.0, 1000.0]
    """
    # BEGIN SOLUTION
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0)))  # (...)
    # END SOLUTION


def elu_grad(x: Float[np.ndarray, "..."], alpha: float = 1.0) -> Float[np.ndarray, "..."]:
    """The derivative of the ELU at every entry: 1 where x > 0, α · exp(x) elsewhere.

    At x = 0 the two sides agree for α = 1 only; we take α there, as PyTorch does.

    Args:
        x: the input of `elu`, any shape.
        alpha: α, as there.

    Returns:
        A float64 array of the same shape.

    Reference:
        Clevert, Unterthiner & Hochreiter, Fast and Accurate Deep Network Learning by Exponential Linear Units (2016),
        section 3, equation 15.

    Example:
        >>> elu_grad(np.array([-1000.0, -np.log(2.0), 0.0, 1000.0]), alpha=3.0).tolist()
        [0.0, 1.5, 3.0, 1.0]
    """
    # BEGIN SOLUTION
    return np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0.0)))  # (...)
    # END SOLUTION


def gelu(x: Float[np.ndarray, "..."], approximate: bool = False) -> Float[np.ndarray, "..."]:
    """Weigh every entry by the share of a standard normal that lies below it: gelu(x) = x · Φ(x).

    Φ(x) = (1 + erf(x / √2)) / 2 is the distribution function of the standard normal. From the days when erf was slow
    comes an approximation that many models still use; it differs by less than 0.0005:

        x / 2 · (1 + tanh(√(2 / π) · (x + 0.044715 · x³)))

    Use `_erf` above for erf, and `np.tanh`.

    Args:
        x: any shape.
        approximate: False for the exact form, True for the one with tanh.

    Returns:
        An array of the same shape.

    Reference:
        Hendrycks & Gimpel, Gaussian Error Linear Units (2016), section 2.

    Example:
        >>> x = np.array([-1.0, 0.0, 1.0])
        >>> gelu(x).round(5).tolist(), gelu(x, approximate=True).round(5).tolist()
        ([-0.15866, 0.0, 0.84134], [-0.15881, 0.0, 0.84119])
    """
    # BEGIN SOLUTION
    if approximate:
        inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)  # (...)
        return 0.5 * x * (1.0 + np.tanh(inner))  # (...)
    return 0.5 * x * (1.0 + _erf(x / math.sqrt(2.0)))  # (...)
    # END SOLUTION


def gelu_grad(x: Float[np.ndarray, "..."], approximate: bool = False) -> Float[np.ndarray, "..."]:
    """The derivative of the form of `gelu` that was used, at every entry.

    Of the exact one it is Φ(x) + x · φ(x), where φ(x) = exp(-x² / 2) / √(2π) is the density of the standard normal, the
    derivative of Φ. That of the other form follows from tanh'(u) = 1 - tanh(u)² and the chain rule.

    Args:
        x: the input of `gelu`, any shape.
        approximate: False for the derivative of the exact form, True for that of the one with tanh.

    Returns:
        A float64 array of the same shape; slightly above 1 for some x, and below 0 for others.

    Reference:
        Hendrycks & Gimpel, Gaussian Error Linear Units (2016), section 2.

    Example:
        >>> x = np.array([-1.0, 0.0, 1.0])
        >>> gelu_grad(x).round(5).tolist(), gelu_grad(x, approximate=True).round(5).tolist()
        ([-0.08332, 0.5, 1.08332], [-0.08296, 0.5, 1.08296])
    """
    # BEGIN SOLUTION
    if approximate:
        root = math.sqrt(2.0 / math.pi)
        t = np.tanh(root * (x + 0.044715 * x**3))  # (...)
        slope = (1.0 - t**2) * root * (1.0 + 3 * 0.044715 * x**2)  # (...), of t
        return 0.5 * (1.0 + t) + 0.5 * x * slope  # (...)
    below = 0.5 * (1.0 + _erf(x / math.sqrt(2.0)))  # (...), Φ(x)
    density = np.exp(-0.5 * x**2) / math.sqrt(2.0 * math.pi)  # (...), φ(x)
    return below + x * density  # (...)
    # END SOLUTION


def swish(x: Float[np.ndarray, "..."], beta: float = 1.0) -> Float[np.ndarray, "..."]:
    """Let every entry open its own gate: swish(x) = x · σ(βx).

    With β = 1 it is known as SiLU; for large β it is nearly the ReLU, for β = 0 it is x / 2. Use `_sigmoid` above.

    Args:
        x: any shape.
        beta: β, how sharp the gate is; any number.

    Returns:
        An array of the same shape.

    Reference:
        Ramachandran, Zoph & Le, Searching for Activation Functions (2017), section 4.

    Example:
        >>> swish(np.array([-2.0, 0.0, 2.0]), beta=0.5 * np.log(3.0)).round(12).tolist()
        [-0.5, 0.0, 1.5]
    """
    # BEGIN SOLUTION
    return x * _sigmoid(beta * x)  # (...)
    # END SOLUTION


def swish_grad(x: Float[np.ndarray, "..."], beta: float = 1.0) -> Float[np.ndarray, "..."]:
    """The derivative of swish with respect to x at every entry.

    Swish is a product of two functions of x: use the product rule, and σ'(u) = σ(u) · (1 - σ(u)) with the chain rule.

    Args:
        x: the input of `swish`, any shape.
        beta: β, as there.

    Returns:
        A float64 array of the same shape; one half at zero, whatever β is.

    Reference:
        Ramachandran, Zoph & Le, Searching for Activation Functions (2017), section 4.

    Example:
        >>> swish_grad(np.array([0.0, 1000.0]), beta=3.0).tolist()
        [0.5, 1.0]
    """
    # BEGIN SOLUTION
    gate = _sigmoid(beta * x)  # (...)
    return gate * (1.0 + beta * x * (1.0 - gate))  # (...)
    # END SOLUTION
