"""Makes exercises/m04_practical/pretrained.npz: run `python solutions/m04_practical/_pretrain.py` (half a minute of one core).

A small convolutional network learns the handwritten digits 0 to 4 of scikit-learn (half of the classes), anywhere on a screen of
12 x 12 pixels. So that its features are of use for other shapes, too, it has to tell the digits apart in all eight orientations:
40 classes. The file holds its weights (without the head) and, as bytes from 0 to 16, the images of the digits 5 to 9,
on which nothing here is trained: they are for the learners to transfer to.

Data: E. Alpaydin and C. Kaynak, Optical recognition of handwritten digits, UCI machine learning repository (1998), CC BY 4.0.
"""

from pathlib import Path

import numpy as np
import torch
from augmentation import random_crop
from sklearn.datasets import load_digits
from torch import Tensor, nn

FILE = Path(__file__).parents[2] / "exercises" / "m04_practical" / "pretrained.npz"
STEPS, BATCH, RATE = 2500, 128, 0.03


def network(classes: int) -> nn.Sequential:
    """Images (B, 1, Y, X) to logits (B, classes); 15 thousand parameters."""

    def block(inputs: int, outputs: int, *rest: nn.Module) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), *rest)

    model = nn.Sequential()
    model.add_module("stem", block(1, 12, nn.MaxPool2d(2)))  # (B, 12, 6, 6)
    model.add_module("body", block(12, 24, nn.MaxPool2d(2)))  # (B, 24, 3, 3)
    model.add_module("neck", block(24, 48, nn.AdaptiveMaxPool2d(1), nn.Flatten()))  # (B, 48)
    model.add_module("head", nn.Linear(48, classes))
    return model


def orientations(images: Tensor) -> Tensor:
    """Turned by 0, 90, 180 and 270 degrees, and the same mirrored: (N, 1, Y, X) to (8 N, 1, Y, X)."""
    turned = torch.cat([images.rot90(k, (2, 3)) for k in range(4)])  # (4 N, 1, Y, X)
    return torch.cat([turned, turned.flip(3)])


def bent(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image a little rotated, stretched and sheared."""
    angle, tall, wide, shear = (2 * torch.rand(4, len(images), generator=generator) - 1) * torch.tensor(
        [[0.3], [0.15], [0.15], [0.2]]
    )  # (B,) each
    rows = [(1 + tall) * angle.cos(), shear - angle.sin(), angle.sin(), (1 + wide) * angle.cos()]
    maps = torch.cat([torch.stack(rows, dim=1).view(-1, 2, 2), torch.zeros(len(images), 2, 1)], dim=2)  # (B, 2, 3)
    grid = nn.functional.affine_grid(maps, list(images.shape), align_corners=False)  # (B, Y, X, 2)
    return nn.functional.grid_sample(images, grid, align_corners=False)


def train(images: Tensor, labels: Tensor) -> nn.Sequential:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    images, labels = orientations(images), torch.cat([labels + 5 * k for k in range(8)])
    model = network(40)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    for _ in range(STEPS):
        rows = torch.randint(0, len(images), (BATCH,), generator=generator)
        seen = random_crop(bent(images[rows], generator), (12, 12), 4, generator)  # (B, 1, 12, 12)
        seen += 0.25 * torch.randn(seen.shape, generator=generator)
        loss = nn.functional.cross_entropy(model(seen), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model


def main() -> None:
    torch.set_num_threads(1)
    digits = load_digits()
    known = digits.target < 5
    images = torch.tensor(digits.images[known, None] / 16, dtype=torch.float32)  # (N, 1, 8, 8)
    model = train(images, torch.tensor(digits.target[known]))
    weights = {name: value.numpy() for name, value in model.state_dict().items() if not name.startswith("head.")}
    new = {"digits": digits.images[~known].astype(np.uint8), "labels": (digits.target[~known] - 5).astype(np.uint8)}
    np.savez_compressed(FILE, **weights, **new)
    print(f"wrote {FILE.relative_to(Path(__file__).parents[2])}, {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
