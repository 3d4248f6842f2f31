"""All images at once, by indices."""

import math

import torch
from torch.nn import functional


def random_horizontal_flip(images, p, generator):
    flipped = torch.rand(images.size(0), generator=generator).lt(p).view(-1, 1)
    x = torch.arange(images.size(3))
    columns = torch.where(flipped, x.flip(0), x)  # (B, X)
    return images.gather(3, columns[:, None, None, :].expand_as(images))


def random_crop(images, size, padding, generator):
    padded = functional.pad(images, [padding, padding, padding, padding])
    room = padded.size(2) - size[0], padded.size(3) - size[1]
    if min(room) < 0:
        raise ValueError(f"{size} is too large")
    y = torch.randint(0, room[0] + 1, (len(images),), generator=generator)[:, None] + torch.arange(size[0])  # (B, h)
    x = torch.randint(0, room[1] + 1, (len(images),), generator=generator)[:, None] + torch.arange(size[1])  # (B, w)
    image = torch.arange(len(images))[:, None, None]
    return padded[image, :, y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2).contiguous()


def cutout(images, size, generator):
    b, _, height, width = images.shape
    y = torch.randint(0, height, (b,), generator=generator).view(b, 1, 1, 1)
    x = torch.randint(0, width, (b,), generator=generator).view(b, 1, 1, 1)
    rows, columns = torch.arange(height).view(1, 1, -1, 1), torch.arange(width).view(1, 1, 1, -1)
    first_row, first_column = y - size // 2, x - size // 2
    outside = (
        (rows < first_row) | (rows >= first_row + size) | (columns < first_column) | (columns >= first_column + size)
    )
    return images * outside.to(images.dtype)


def color_jitter(images, brightness, contrast, saturation, generator):
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    u = torch.rand(3, images.size(0), generator=generator)
    bounds = torch.tensor([[brightness], [contrast], [saturation]])
    low, high = 1 - bounds, 1 + bounds
    factors = (low + (high - low) * u).view(3, -1, 1, 1, 1)
    for factor, kind in zip(factors, ("black", "flat", "grey"), strict=True):
        grey = (images * weights).sum(1, keepdim=True)
        dull = {"black": torch.zeros_like(grey), "flat": grey.mean((1, 2, 3), keepdim=True), "grey": grey}[kind]
        images = torch.lerp(dull.expand_as(images), images, factor.expand_as(images)).clamp(0, 1)
    return images


def mixup(images, labels, classes, alpha, generator):
    if alpha == 0:
        return images.clone(), functional.one_hot(labels, classes).to(images.dtype)
    u, v = torch.rand(2, generator=generator).tolist()
    s, c = u ** (1.0 / alpha), math.cos(2.0 * math.pi * v)
    share = 0.5 + 0.5 * c / math.sqrt(s / (1.0 - s) + c * c)
    order = torch.randperm(images.size(0), generator=generator)
    one_hot = functional.one_hot(labels, classes).to(images.dtype)
    mix = lambda x: torch.lerp(x[order], x, share)  # noqa: E731
    return mix(images), mix(one_hot)
