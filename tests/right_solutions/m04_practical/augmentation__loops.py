"""One image at a time, in place on a copy, with the factors in float64."""

import math

import torch


def random_horizontal_flip(images, p, generator):
    result = images.clone()
    for i, u in enumerate(torch.rand(images.shape[0], generator=generator).tolist()):
        if u < p:
            result[i] = torch.flip(images[i], dims=[2])
    return result


def random_crop(images, size, padding, generator):
    b, c, height, width = images.shape
    if size[0] > height + 2 * padding or size[1] > width + 2 * padding:
        raise ValueError("the window is too large")
    canvas = images.new_zeros(b, c, height + 2 * padding, width + 2 * padding)
    canvas[:, :, padding : padding + height, padding : padding + width] = images
    tops = torch.randint(0, canvas.shape[2] - size[0] + 1, (b,), generator=generator)
    lefts = torch.randint(0, canvas.shape[3] - size[1] + 1, (b,), generator=generator)
    result = images.new_empty(b, c, *size)
    for i in range(b):
        result[i] = canvas[i].narrow(1, int(tops[i]), size[0]).narrow(2, int(lefts[i]), size[1])
    return result


def cutout(images, size, generator):
    b, _, height, width = images.shape
    result = images.clone()
    ys = torch.randint(0, height, (b,), generator=generator).tolist()
    xs = torch.randint(0, width, (b,), generator=generator).tolist()
    for image, y, x in zip(result, ys, xs, strict=True):
        top, left = y - size // 2, x - size // 2
        image[:, max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)] = 0
    return result


def _grey(image):
    return 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]


def color_jitter(images, brightness, contrast, saturation, generator):
    u = torch.rand(3, len(images), generator=generator).double()
    result = []
    for i, image in enumerate(images.double()):
        f, g, h = (1 + s * (2 * u[j, i] - 1) for j, s in enumerate((brightness, contrast, saturation)))
        image = torch.clamp(image * f, 0.0, 1.0)
        mean = _grey(image).mean()
        image = torch.clamp(mean + g * (image - mean), 0.0, 1.0)
        grey = _grey(image)
        result.append(torch.clamp(grey + h * (image - grey), 0.0, 1.0))
    return torch.stack(result).to(images.dtype)


def mixup(images, labels, classes, alpha, generator):
    share = 1.0
    if alpha > 0:
        u, v = torch.rand(2, generator=generator).tolist()
        s, c = u ** (1.0 / alpha), math.cos(2.0 * math.pi * v)
        share = 0.5 + 0.5 * c / math.sqrt(s / (1.0 - s) + c * c)
    order = torch.randperm(len(images), generator=generator)
    mixed, targets = torch.empty_like(images), images.new_zeros(len(images), classes)
    for i, j in enumerate(order.tolist()):
        mixed[i] = share * images[i] + (1.0 - share) * images[j]
        targets[i, labels[i]] += share
        targets[i, labels[j]] += 1.0 - share
    return mixed, targets
