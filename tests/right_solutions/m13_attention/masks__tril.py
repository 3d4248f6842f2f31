"""The masks by tril with an offset, repeated rows and functools.reduce."""

from functools import reduce

import torch


def causal_mask(t, s=None):
    if s is None:
        s = t
    if t > s:
        raise ValueError("more queries than keys")
    return torch.tril(torch.ones(t, s, dtype=torch.bool), diagonal=s - t)


def padding_mask(lengths, max_length=None):
    if max_length is None:
        max_length = lengths.max().item()
    if (lengths > max_length).any():
        raise ValueError("max_length is too small")
    positions = torch.arange(max_length).repeat(lengths.size(0), 1)
    return torch.lt(positions, lengths.unsqueeze(1).expand_as(positions))


def _four_axes(mask):
    if mask.dtype is not torch.bool:
        raise TypeError("masks are bool")
    if mask.dim() not in (2, 3, 4):
        raise ValueError("masks have 2, 3 or 4 axes")
    return {2: mask.unsqueeze(0), 3: mask, 4: mask}[mask.dim()].unsqueeze(1) if mask.dim() < 4 else mask


def combine_masks(*masks):
    given = [_four_axes(mask) for mask in masks if mask is not None]
    return reduce(torch.logical_and, given) if given else None
