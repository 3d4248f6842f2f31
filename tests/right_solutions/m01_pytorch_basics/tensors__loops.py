"""With torch's own helpers where there are some, and loops over one axis where a learner would write them."""

import torch


def standardize(x, dim=0, eps=1e-5):
    wide = x.double()
    variance, mean = torch.var_mean(wide, dim=dim, correction=0, keepdim=True)
    return ((wide - mean) * torch.rsqrt(variance + eps)).to(x.dtype)


def one_hot(labels, classes):
    for label in labels.flatten().tolist():
        if not 0 <= label < classes:
            raise ValueError(f"{label} is no class")
    return (labels.unsqueeze(-1) == torch.arange(classes)).to(torch.float32)


def pairwise_distances(x, y):
    distances = [torch.linalg.vector_norm(y - row, dim=1) for row in x]
    return torch.stack(distances) if distances else x.new_zeros(0, len(y))


def batched_outer(x, y):
    return x.unsqueeze(-1) @ y.unsqueeze(-2)


def gather_rows(x, index):
    picked = [sequence.index_select(0, rows) for sequence, rows in zip(x, index, strict=True)]
    return torch.stack(picked) if picked else x.new_zeros(*index.shape, x.shape[2])


def masked_mean(x, mask):
    means = []
    for rows, counts in zip(x, mask, strict=True):
        chosen = rows[counts]
        means.append(chosen.mean(dim=0) if len(chosen) else torch.zeros_like(rows[0]))
    return torch.stack(means)


def sliding_windows(x, size, step=1):
    if size < 1 or step < 1 or size > x.shape[-1]:
        raise ValueError("no such windows")
    return x.unfold(-1, size, step)
