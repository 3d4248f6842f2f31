"""With gather, scatter, where and einsum."""

import torch


def standardize(x, dim=0, eps=1e-5):
    n = x.shape[dim]
    mean = x.sum(dim, keepdim=True) / n
    spread = ((x - mean) ** 2).sum(dim, keepdim=True) / n
    return (x - mean) / torch.sqrt(spread + eps)


def one_hot(labels, classes):
    if labels.numel() and (int(labels.min()) < 0 or int(labels.max()) > classes - 1):
        raise ValueError("a label is no class")
    return torch.zeros(*labels.shape, classes).scatter(-1, labels[..., None], 1.0)


def pairwise_distances(x, y):
    total = torch.zeros(len(x), len(y), dtype=x.dtype)
    for feature in range(x.shape[1]):
        total += torch.sub(x[:, feature, None], y[None, :, feature]) ** 2
    return total**0.5


def batched_outer(x, y):
    return torch.einsum("...n,...m->...nm", x, y)


def gather_rows(x, index):
    return x.gather(1, index.unsqueeze(-1).expand(-1, -1, x.shape[-1]))


def masked_mean(x, mask):
    weights = mask.to(x.dtype) / torch.clamp(mask.sum(1, keepdim=True), min=1)
    clean = torch.where(mask.unsqueeze(-1), x, torch.zeros((), dtype=x.dtype))
    return torch.einsum("bt,btd->bd", weights, clean)


def sliding_windows(x, size, step=1):
    if not (0 < size <= x.size(-1) and step > 0):
        raise ValueError("no such windows")
    count = 1 + (x.size(-1) - size) // step
    strides = (*x.stride()[:-1], x.stride(-1) * step, x.stride(-1))
    return torch.as_strided(x, x.shape[:-1] + (count, size), strides)
