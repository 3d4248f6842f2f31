"""Why did the network say so? Four ways to ask an image classifier which parts of the image its answer rests on.

A model here is anything that can be called with images (N, C, Y, X) and returns a score for each class, (N, K). All four ask
about one class for each image. They treat every image by itself, so the model should be in evaluation mode; that is up to
the caller, and none of them changes it. They only look: parameters and their `.grad` stay as they are, so does `x`, and no
result requires a gradient.

Letters: N images, C channels, Y and X height and width, K classes, F maps of a layer.
"""

import itertools
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

Model = Callable[[Tensor], Tensor]


def _scores(model: Model, x: Float[Tensor, "N C Y X"], targets: Int[Tensor, "N"]) -> Float[Tensor, "N"]:
    """What the model says for the class that is asked about, one number for each image."""
    return model(x).gather(1, targets[:, None]).squeeze(1)  # (N,)


def saliency(model: Model, x: Float[Tensor, "N C Y X"], targets: Int[Tensor, "N"]) -> Float[Tensor, "N Y X"]:
    """How strongly the score of a class reacts to each pixel: the size of its gradient.

    The saliency of a pixel is the largest of |∂ score / ∂ x| over its channels. The score is what the model returns, not a
    probability: a softmax would mix in the other classes.

    Args:
        model: from (N, C, Y, X) to (N, K); its parameters may be frozen.
        x: images, (N, C, Y, X).
        targets: the class that is asked about for each image, (N,), int64.

    Returns:
        (N, Y, X), at least 0.

    Reference:
        Simonyan, Vedaldi & Zisserman, Deep Inside Convolutional Networks (2014), section 3.1.

    Example:
        >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2, bias=False))  # 2 channels of 1 x 2
        >>> weight = torch.tensor([[1.0, -2.0, -3.0, 0.5], [0.0, 7.0, 0.0, 0.0]])
        >>> _ = model.load_state_dict({"1.weight": weight})
        >>> saliency(model, torch.ones(2, 2, 1, 2), torch.tensor([0, 1])).tolist()
        [[[3.0, 2.0]], [[0.0, 7.0]]]
    """
    # BEGIN SOLUTION
    x = x.detach().requires_grad_()  # (N, C, Y, X)
    (slopes,) = torch.autograd.grad(_scores(model, x, targets).sum(), x)  # (N, C, Y, X)
    return slopes.abs().amax(dim=1)  # (N, Y, X)
    # END SOLUTION


def integrated_gradients(
    model: Model,
    x: Float[Tensor, "N C Y X"],
    targets: Int[Tensor, "N"],
    baseline: Float[Tensor, "..."] | None = None,
    steps: int = 50,
) -> Float[Tensor, "N C Y X"]:
    """Share out the score among the inputs: how much of it came from each, on the way from a baseline to the image.

    On the straight way from the baseline b to x, entry i moves by x_i - b_i and meets the average slope of the score along
    that way. The attribution of entry i is the product,

        (x_i - b_i) · the mean over k = 0 … steps - 1 of ∂ score / ∂ x_i at the point b + (k + ½) / steps · (x - b)

    which is the integral by the midpoint rule. The attributions of an image then sum to score(x) - score(b), but for the
    error of that rule: completeness. A plain gradient has no such meaning, and is 0 wherever a unit is saturated.

    Args:
        model: from (N, C, Y, X) to (N, K).
        x: images, (N, C, Y, X).
        targets: the class that is asked about for each image, (N,), int64.
        baseline: an image that says nothing, of a shape that broadcasts to that of x; zeros if None.
        steps: the number of points on the way, at least 1. The model is called with N images at a time.

    Returns:
        (N, C, Y, X).

    Reference:
        Sundararajan, Taly & Yan, Axiomatic Attribution for Deep Networks (2017), section 3, and proposition 1.

    Example:
        >>> attributions = integrated_gradients(  # of x₀² · x₁, whose gradient at (2, 3) is (12, 4)
        ...     lambda x: x[:, :, 0, :1].square().flatten(1) * x[:, 0, 0, 1:],
        ...     torch.tensor([[[[2.0, 3.0]]]]),
        ...     torch.tensor([0]),
        ... )
        >>> attributions.round(decimals=2).tolist()  # together 2² · 3 - 0
        [[[[8.0, 4.0]]]]
    """
    # BEGIN SOLUTION
    baseline = torch.zeros_like(x) if baseline is None else baseline  # broadcasts to (N, C, Y, X)
    way = (x - baseline).detach()  # (N, C, Y, X)
    slopes = torch.zeros_like(way)  # (N, C, Y, X)
    for k in range(steps):
        point = (baseline + (k + 0.5) / steps * way).detach().requires_grad_()  # (N, C, Y, X)
        slopes += torch.autograd.grad(_scores(model, point, targets).sum(), point)[0]
    return way * slopes / steps  # (N, C, Y, X)
    # END SOLUTION


def grad_cam(
    model: torch.nn.Module, layer: torch.nn.Module, x: Float[Tensor, "N C Y X"], targets: Int[Tensor, "N"]
) -> Float[Tensor, "N Y2 X2"]:
    """Where a convolutional layer saw what speaks for a class: its maps, weighed by what they mean for the score.

    The layer gives F maps A_f for each image. The weight of a map is the mean, over its positions, of ∂ score / ∂ A_f, and
    the result is relu(Σ_f weight_f · A_f), at the resolution of the layer.

    The maps are those that the layer hands on, taken with a forward hook in a single pass through the model. The module
    behind it may work in place, as `torch.nn.ReLU(inplace=True)` does, and must not change them under your hands: a hook
    may hand on a copy instead. Afterwards the hook is gone, also where the model has raised an error.

    Args:
        model: from (N, C, Y, X) to (N, K), which calls `layer` once; all its parameters may be frozen.
        layer: one of its modules, with an output of shape (N, F, Y2, X2).
        x: images, (N, C, Y, X).
        targets: the class that is asked about for each image, (N,), int64.

    Returns:
        (N, Y2, X2), at least 0.

    Reference:
        Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks (2017), section 3, equations 1 and 2.

    Example:
        >>> layer, pool = torch.nn.Conv2d(1, 1, 1, bias=False), torch.nn.AvgPool2d((1, 2))
        >>> _ = layer.load_state_dict({"weight": torch.tensor([[[[2.0]]]])})
        >>> model = torch.nn.Sequential(layer, pool, torch.nn.Flatten())  # one class: the mean of the map
        >>> grad_cam(model, layer, torch.tensor([[[[3.0, -1.0]]]]), torch.tensor([0])).tolist()  # ½ · 6, ½ · -2 cut
        [[[3.0, 0.0]]]
    """
    # BEGIN SOLUTION
    kept = []

    def keep(_, inputs, output):
        kept.append(output)
        return output.clone()

    hook = layer.register_forward_hook(keep)
    try:
        scores = _scores(model, x.detach().requires_grad_(), targets)  # (N,)
    finally:
        hook.remove()
    (maps,) = kept  # (N, F, Y2, X2)
    (slopes,) = torch.autograd.grad(scores.sum(), maps)  # (N, F, Y2, X2)
    weights = slopes.mean(dim=(2, 3), keepdim=True)  # (N, F, 1, 1)
    return (weights * maps).sum(dim=1).relu().detach()  # (N, Y2, X2)
    # END SOLUTION


def occlusion_map(
    model: Model, x: Float[Tensor, "N C Y X"], targets: Int[Tensor, "N"], size: int, stride: int = 1, value: float = 0.0
) -> Float[Tensor, "N Y2 X2"]:
    """What the score loses when a square patch of the image is covered, for every place of the patch.

    The patch is size x size pixels; all its channels are set to `value`. It stands at the rows 0, stride, 2 · stride, … as
    long as it fits into the image, and at the columns likewise. No gradient is needed, and none is recorded.

    Args:
        model: from (N, C, Y, X) to (N, K).
        x: images, (N, C, Y, X).
        targets: the class that is asked about for each image, (N,), int64.
        size: height and width of the patch.
        stride: how far it moves.
        value: what it is filled with.

    Returns:
        score(x) - score(x covered), (N, Y2, X2), where Y2 = ⌊(Y - size) / stride⌋ + 1 and X2 likewise. Positive where
        the covered pixels spoke for the class.

    Raises:
        ValueError: the patch does not fit into the image.

    Reference:
        Zeiler & Fergus, Visualizing and Understanding Convolutional Networks (2014), section 4.2.

    Example:
        >>> def model(x):  # one class: the sum of all pixels
        ...     return x.sum(dim=(1, 2, 3))[:, None]
        >>> x = torch.tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]])
        >>> occlusion_map(model, x, torch.tensor([0]), size=2, value=1.0).tolist()  # 12 - 4, 16 - 4
        [[[8.0, 12.0]]]
    """
    # BEGIN SOLUTION
    n, _, height, width = x.shape
    if size > min(height, width):
        raise ValueError(f"a patch of {size} x {size} does not fit into {height} x {width} pixels")
    rows, columns = range(0, height - size + 1, stride), range(0, width - size + 1, stride)
    covered = []
    with torch.no_grad():
        for top, left in itertools.product(rows, columns):
            image = x.clone()  # (N, C, Y, X)
            image[:, :, top : top + size, left : left + size] = value
            covered.append(_scores(model, image, targets))  # (N,)
        losses = _scores(model, x, targets)[:, None] - torch.stack(covered, dim=1)  # (N, Y2 · X2)
    return losses.reshape(n, len(rows), len(columns))  # (N, Y2, X2)
    # END SOLUTION
