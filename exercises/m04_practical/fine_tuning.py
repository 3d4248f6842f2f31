"""Fine-tuning: a network that somebody trained learns a new task from a handful of images, in PyTorch.

Letters: N images, Y height, X width, K classes.
"""

import torch
from jaxtyping import Float, Int
from m04_practical.augmentation import random_crop
from m04_practical.transfer_learning import parameter_groups, replace_head
from torch import Tensor, nn


def fine_tune(
    model: nn.Module,
    images: Float[Tensor, "N 1 Y X"],
    labels: Int[Tensor, "N"],
    classes: int,
    generator: torch.Generator,
) -> None:
    """Teach a pre-trained network to tell other classes apart, from a few images of each.

    How you do it is up to you: optimizer, learning rates, number of steps, augmentation, the order in which layers are
    unfrozen. What counts is what comes out. The network in `pretrained.npz` has learned the digits 0 to 4, anywhere on a screen
    of 12 x 12 pixels. You get five images of each of the digits 5 to 9, from a camera that adds stripes and noise (the
    README shows some), and your network is tried on hundreds of others from the same camera. Asked for is an accuracy
    of 65 %, on the average of three such tasks; a plain recipe reaches 80 %. In as many steps from random weights the same
    network gets to 45 %, and to 55 % when only its new head learns.

    This must be so:

    - The layers of `model` are its children, from the input to the output. The last is called "head" and is a
      `torch.nn.Linear` for other classes: put a new one in its place, with `classes` outputs.
    - In the end every layer has learned: no parameter is what it was.
    - The network is left in evaluation mode, ready for use.
    - It takes no more than a few seconds: 25 images fit into one batch, and 40 steps will do.

    Args:
        model: the network, changed in place. It takes images of any height and width, and all its parameters require
            gradients.
        images: (N, 1, Y, X), float32; at least two of each class.
        labels: the class of every image, (N,), int64 from 0 to K - 1.
        classes: K.
        generator: for all that is random. Whoever seeds the global one spoils the random numbers of the caller.

    Returns:
        None.

    Reference:
        Yosinski, Clune, Bengio & Lipson, How transferable are features in deep neural networks? (2014), section 4. Howard &
        Ruder, Universal language model fine-tuning for text classification (2018), section 3.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> images = torch.zeros(6, 1, 9, 9)
        >>> images[:3, :, 4] = images[3:, :, :, 4] = 1.0  # three lying bars, three standing ones
        >>> model = nn.Sequential(nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten()))
        >>> model.add_module("head", nn.Linear(8, 10))
        >>> fine_tune(model, images, torch.tensor([0, 0, 0, 1, 1, 1]), 2, torch.Generator().manual_seed(0))
        >>> model(images).argmax(dim=1).tolist(), model.training
        ([0, 0, 0, 1, 1, 1], False)
    """
    raise NotImplementedError
