"""A two-layer network trained by gradient descent: backpropagation from end to end, in NumPy.

    z1 = x · w1 + b1        (N, M)
    h = relu(z1)            (N, M)
    logits = h · w2 + b2    (N, C)

Its pieces come from the exercises `activations`, `layers` and `losses`. No function here changes an array or a dict
that it is given.

Letters: N rows, D inputs, M hidden units, C classes. Real arrays are float64.
"""

import numpy as np
from jaxtyping import Float, Int
from m00_foundations.activations import relu
from m00_foundations.layers import linear_backward, linear_forward, relu_backward, softmax_cross_entropy_backward
from m00_foundations.losses import cross_entropy


def init_params(rng: np.random.Generator, d: int, m: int, c: int) -> dict[str, Float[np.ndarray, "..."]]:
    """Draw the network's first parameters: weights normal with standard deviation √(2 / fan_in), biases zero.

    fan_in is the number of inputs of a layer: `d` for w1, `m` for w2. With it the activations keep their size from
    layer to layer; the 2 makes up for the half that the ReLU removes.

    Args:
        rng: where the weights come from: `rng.standard_normal(shape)`, scaled, first for w1, then for w2, and no other
            draw. The same state of the generator must give the same parameters.
        d: the number of inputs, D.
        m: the number of hidden units, M.
        c: the number of classes, C.

    Returns:
        {"w1": (D, M), "b1": (M,), "w2": (M, C), "b2": (C,)}, all float64, four arrays that share no memory.

    Reference:
        He, Zhang, Ren & Sun, Delving Deep into Rectifiers (2015), section 2.2, equation 10.

    Example:
        >>> params = init_params(np.random.default_rng(0), d=2, m=5, c=3)
        >>> {name: value.shape for name, value in params.items()}
        {'w1': (2, 5), 'b1': (5,), 'w2': (5, 3), 'b2': (3,)}
        >>> bool(params["w1"][0, 0] == np.random.default_rng(0).standard_normal())  # fan_in 2: a factor of one
        True
    """
    raise NotImplementedError


def forward(
    params: dict[str, Float[np.ndarray, "..."]], x: Float[np.ndarray, "N D"]
) -> tuple[Float[np.ndarray, "N C"], dict[str, Float[np.ndarray, "N _"]]]:
    """Compute the logits of every row, and keep what the backward pass will need.

    Args:
        params: w1 (D, M), b1 (M,), w2 (M, C), b2 (C,), as from `init_params`.
        x: one example a row, (N, D).

    Returns:
        The tuple (logits, cache): logits is (N, C); cache is a dict with the keys "x" (the input, (N, D)), "z1" (the
        hidden layer before the ReLU, (N, M)), "h" (after it, (N, M)) and "logits" (N, C).

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 6.1, equation 6.3.

    Example:
        >>> w1, w2 = np.array([[1.0, -1.0]]), np.array([[3.0], [4.0]])
        >>> logits, cache = forward({"w1": w1, "b1": np.zeros(2), "w2": w2, "b2": np.ones(1)}, np.array([[2.0]]))
        >>> logits.tolist(), cache["z1"].tolist(), cache["h"].tolist()
        ([[7.0]], [[2.0, -2.0]], [[2.0, 0.0]])
    """
    raise NotImplementedError


def backward(
    params: dict[str, Float[np.ndarray, "..."]],
    cache: dict[str, Float[np.ndarray, "N _"]],
    targets: Int[np.ndarray, "N"],
) -> dict[str, Float[np.ndarray, "..."]]:
    """The gradient of the mean cross-entropy with respect to every parameter.

    Walk the forward pass back, from the logits to w1: each step turns the gradient of an output into those of the
    inputs it came from.

    Args:
        params: w1 (D, M), b1 (M,), w2 (M, C), b2 (C,).
        cache: what `forward` kept for these parameters: x (N, D), z1 (N, M), h (N, M), logits (N, C), and nothing else.
        targets: the right class of every row, (N,), integers from 0 to C - 1.

    Returns:
        A dict with the keys of `params` (w1, b1, w2, b2); each gradient has the shape of its parameter.

    Reference:
        Rumelhart, Hinton & Williams, Learning representations by back-propagating errors (1986), equations 4 to 7.

    Example:
        >>> params = {"w1": np.array([[1.0]]), "b1": np.zeros(1), "w2": np.array([[0.0, 0.0]]), "b2": np.zeros(2)}
        >>> logits, cache = forward(params, np.array([[2.0]]))
        >>> grads = backward(params, cache, np.array([1]))
        >>> grads["w2"].tolist(), grads["b2"].tolist()
        ([[1.0, -1.0]], [0.5, -0.5])
    """
    raise NotImplementedError


def train_step(
    params: dict[str, Float[np.ndarray, "..."]], x: Float[np.ndarray, "N D"], targets: Int[np.ndarray, "N"], lr: float
) -> tuple[dict[str, Float[np.ndarray, "..."]], float]:
    """Take one step of gradient descent on the mean cross-entropy: every parameter θ becomes θ - lr · dL/dθ.

    All four gradients are taken at the old parameters. `params` and its arrays stay as they are: return new ones.

    Args:
        params: w1 (D, M), b1 (M,), w2 (M, C), b2 (C,).
        x: one example a row, (N, D).
        targets: the right class of every row, (N,), integers from 0 to C - 1.
        lr: the learning rate, positive.

    Returns:
        The tuple (new parameters, loss): a dict like `params`, and the mean cross-entropy before the step, a float.

    Reference:
        Goodfellow, Bengio & Courville, Deep Learning (2016), section 4.3, equation 4.5.

    Example:
        >>> params = {"w1": np.array([[1.0]]), "b1": np.zeros(1), "w2": np.array([[0.0, 0.0]]), "b2": np.zeros(2)}
        >>> new, loss = train_step(params, np.array([[2.0]]), np.array([1]), lr=0.5)
        >>> new["w2"].tolist(), round(loss, 6)
        ([[-0.5, 0.5]], 0.693147)
    """
    raise NotImplementedError
