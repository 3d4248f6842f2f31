"""The masks in Python loops and lists, combined as products of integers."""

import torch


def causal_mask(t, s=None):
    s = s if s is not None else t
    if s < t:
        raise ValueError
    mask = torch.zeros((t, s), dtype=torch.bool)
    for i in range(t):
        for j in range(s):
            mask[i, j] = j - (s - t) <= i
    return mask


def padding_mask(lengths, max_length=None):
    counts = lengths.tolist()
    width = max(counts) if max_length is None else max_length
    if any(count > width for count in counts):
        raise ValueError
    return torch.tensor([[1] * count + [0] * (width - count) for count in counts]).bool()


def combine_masks(*masks):
    product = None
    for mask in masks:
        if mask is not None:
            if mask.dtype != torch.bool:
                raise TypeError
            if mask.ndim < 2 or mask.ndim > 4:
                raise ValueError
            b, h = (1, 1) if mask.ndim == 2 else (mask.shape[0], 1) if mask.ndim == 3 else mask.shape[:2]
            mask = mask.reshape(b, h, *mask.shape[-2:]).int()
            product = mask if product is None else product * mask
    return None if product is None else product > 0
