"""PyTorch's cross-entropies, one-hot targets, cdist and triu_indices: matrices from one end to the other."""

import torch
import torch.nn.functional as F


def focal_loss(logits, targets, gamma=2.0, alpha=0.25):
    if logits.shape != targets.shape:
        raise ValueError(f"{logits.shape} != {targets.shape}")
    targets = targets.to(logits)
    cross_entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    other_way_round = F.binary_cross_entropy_with_logits(logits, 1 - targets, reduction="none")
    alpha_t = torch.where(targets.bool(), alpha, 1 - alpha)
    return torch.mean(alpha_t * torch.exp(-gamma * other_way_round) * cross_entropy)


def label_smoothing_loss(logits, targets, smoothing=0.1):
    if not 0 <= smoothing <= 1:
        raise ValueError(smoothing)
    q = F.one_hot(targets, logits.shape[1]).to(logits) * (1 - smoothing) + smoothing / logits.shape[1]
    return F.cross_entropy(logits, q)


def triplet_loss(embeddings, labels, margin=0.2):
    distances = torch.cdist(embeddings, embeddings, compute_mode="donot_use_mm_for_euclid_dist")
    same = torch.eq(labels.unsqueeze(0), labels.unsqueeze(1))
    friends = same.clone().fill_diagonal_(False)
    rows = (friends.any(1) & (~same).any(1)).nonzero().squeeze(1)
    if not len(rows):
        return (embeddings * 0).sum()
    farthest = torch.where(friends, distances, -1.0)[rows].max(1).values
    nearest = torch.where(same, float("inf"), distances)[rows].min(1).values
    return F.relu(farthest + margin - nearest).mean()


def info_nce(x, y, temperature=0.1):
    if x.shape != y.shape or temperature <= 0:
        raise ValueError("info_nce")
    logits = torch.einsum("id,jd->ij", F.normalize(x, dim=1, eps=0), F.normalize(y, dim=1, eps=0)) / temperature
    partner = torch.arange(x.shape[0])
    return (F.cross_entropy(logits, partner) + F.cross_entropy(logits.t(), partner)) / 2
