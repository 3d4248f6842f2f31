"""Augmentation: random changes of images that leave their meaning as it is, in PyTorch.

Every image of a batch is changed in its own way. All randomness comes from the generator, in the order and the shapes that
the docstrings tell, so that a run can be repeated. No function here changes a tensor that it is given.

Letters: B images in a batch, at least one, C channels, Y height, X width, K classes. Images are float32, (B, C, Y, X).
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

Images = Float[Tensor, "B C Y X"]


def random_horizontal_flip(images: Images, p: float, generator: torch.Generator) -> Images:
    """Swap left and right in every image with probability p, independently of the other images.

    Args:
        images: (B, C, Y, X).
        p: the probability, from 0 (never) to 1 (always).
        generator: draws u = `torch.rand(B, generator=generator)`; image i is flipped where u[i] < p.

    Returns:
        A new tensor, (B, C, Y, X).

    Reference:
        Krizhevsky, Sutskever & Hinton, ImageNet classification with deep convolutional neural networks (2012), section 4.1.

    Example:
        >>> image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
        >>> random_horizontal_flip(image, 1.0, torch.Generator()).tolist()
        [[[[2.0, 1.0], [4.0, 3.0]]]]
    """
    raise NotImplementedError


def random_crop(images: Images, size: tuple[int, int], padding: int, generator: torch.Generator) -> Images:
    """Surround every image with zeros and cut a window out of it, each in a place of its own.

    With the size of the image and a padding of 2 this moves the image by up to two pixels in each direction.

    Args:
        images: (B, C, Y, X).
        size: height and width of the window, (h, w).
        padding: how many rows of zeros to add above and below, and columns left and right.
        generator: draws the windows' first rows, `torch.randint(0, n, (B,), generator=generator)`, where n is the number
            of rows at which a window can begin, and then their first columns in the same way. They count in the padded
            image.

    Returns:
        A new tensor, (B, C, h, w).

    Raises:
        ValueError: the window is higher or wider than the padded image.

    Reference:
        He, Zhang, Ren & Sun, Deep residual learning for image recognition (2016), section 4.2 (padding of 4, CIFAR-10).

    Example:
        >>> image = torch.tensor([[[[1.0, 2.0]]]])
        >>> random_crop(image, (1, 4), 1, torch.Generator()).shape
        torch.Size([1, 1, 1, 4])
        >>> random_crop(image, (3, 4), 1, torch.Generator()).tolist()  # the only window: all of the padded image
        [[[[0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 2.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]]
    """
    raise NotImplementedError


def cutout(images: Images, size: int, generator: torch.Generator) -> Images:
    """Blacken one square in every image, in all channels. What sticks out over the edge is cut off.

    The square around (y, x) covers the rows y - ⌊size / 2⌋ to y - ⌊size / 2⌋ + size - 1 and the columns likewise, as
    far as there are such. The centre can be any pixel, so a square at the edge is smaller.

    Args:
        images: (B, C, Y, X).
        size: the side of the square, at least 1.
        generator: draws the rows of the centres, `torch.randint(0, Y, (B,), generator=generator)`, and then their columns,
            `torch.randint(0, X, (B,), generator=generator)`.

    Returns:
        A new tensor, (B, C, Y, X), with zeros in the squares.

    Reference:
        DeVries & Taylor, Improved regularization of convolutional neural networks with cutout (2017), section 3.

    Example:
        >>> cutout(torch.ones(1, 1, 2, 2), 4, torch.Generator()).sum().item()  # whatever the centre, all is covered
        0.0
        >>> cutout(torch.ones(1, 2, 3, 5), 1, torch.Generator()).sum().item()  # one pixel, in both channels
        28.0
    """
    raise NotImplementedError


def _grey(images: Float[Tensor, "B 3 Y X"]) -> Float[Tensor, "B 1 Y X"]:
    """How bright an eye sees each pixel."""
    weights = torch.tensor([0.299, 0.587, 0.114])  # (3,), of red, green, blue
    return torch.einsum("bcyx,c->byx", images, weights)[:, None]  # (B, 1, Y, X)


def color_jitter(
    images: Float[Tensor, "B 3 Y X"], brightness: float, contrast: float, saturation: float, generator: torch.Generator
) -> Float[Tensor, "B 3 Y X"]:
    """Change brightness, then contrast, then saturation, in every image by factors of its own.

    Each of the three takes the image away from, or towards, a dull one: x ← clamp(f · x + (1 - f) · dull) with a factor f
    near 1. The dull image is

    - for the brightness black: 0 everywhere,
    - for the contrast flat: the mean over all pixels of the image's own grey, everywhere,
    - for the saturation the grey image itself.

    Values are clamped to [0, 1] after each of the three, and each starts from what the one before has made. `_grey` above
    gives the grey of every pixel.

    Args:
        images: red, green and blue from 0 to 1, (B, 3, Y, X).
        brightness, contrast, saturation: how far the three factors may be from 1, each from 0 to 1.
        generator: draws u = `torch.rand(3, B, generator=generator)`; the factors of image i are 1 + brightness · (2·u[0, i]
            - 1), 1 + contrast · (2·u[1, i] - 1) and 1 + saturation · (2·u[2, i] - 1).

    Returns:
        A new tensor, (B, 3, Y, X), from 0 to 1.

    Reference:
        Haeberli & Voorhies, Image processing by linear interpolation and extrapolation (1994). Howard, Some improvements
        on deep convolutional neural network based image classification (2013), section 2. torchvision's `ColorJitter`.

    Example:
        >>> images = torch.tensor([1.0, 0.5, 0.0]).reshape(1, 3, 1, 1)  # one orange pixel
        >>> u = torch.rand(3, 1, generator=torch.Generator().manual_seed(0))
        >>> dimmed = color_jitter(images, 0.5, 0.0, 0.0, torch.Generator().manual_seed(0))
        >>> torch.allclose(dimmed, ((0.5 + u[0]) * images).clamp(0, 1))
        True
    """
    raise NotImplementedError


def _beta(alpha: float, generator: torch.Generator) -> float:
    """A draw from Beta(alpha, alpha), after Bailey's for Student's t (1994); PyTorch's own takes no generator."""
    u, v = torch.rand(2, generator=generator).tolist()
    s, c = u ** (1.0 / alpha), math.cos(2.0 * math.pi * v)
    return 0.5 + 0.5 * c / math.sqrt(s / (1.0 - s) + c * c)


def mixup(
    images: Images, labels: Int[Tensor, "B"], classes: int, alpha: float, generator: torch.Generator
) -> tuple[Images, Float[Tensor, "B K"]]:
    """Lay every image over another one of the batch, and mix their labels in the same proportion.

    Image i becomes λ · images[i] + (1 - λ) · images[order[i]], and its target, a distribution over the classes, becomes
    λ · onehot(labels[i]) + (1 - λ) · onehot(labels[order[i]]). There is one λ and one order for the batch.

    Args:
        images: (B, C, Y, X).
        labels: the class of every image, (B,), int64 from 0 to K - 1.
        classes: the number of classes, K.
        alpha: λ is drawn from Beta(alpha, alpha): near 0 or 1 where alpha is small, near ½ where it is large. With 0
            λ is 1, and it does not matter what is drawn.
        generator: first draws λ = `_beta(alpha, generator)`, then order = `torch.randperm(B, generator=generator)`.

    Returns:
        The tuple (mixed images, targets): (B, C, Y, X) and (B, K), both in the dtype of the images.

    Reference:
        Zhang, Cisse, Dauphin & Lopez-Paz, mixup: beyond empirical risk minimization (2018), section 2, figure 1a.

    Example:
        >>> images, labels = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1), torch.tensor([0, 1])
        >>> mixed, targets = mixup(images, labels, 2, 0.4, torch.Generator().manual_seed(0))
        >>> torch.allclose(mixed.flatten(), targets[:, 1])  # the share of image 1 is the share of class 1
        True
    """
    raise NotImplementedError
