"""All gradients as one long vector in float64, cut up again afterwards."""

import torch


def clip_by_value(grads, limit):
    clipped = []
    for grad in grads:
        if grad is not None:
            bound = torch.full_like(grad, limit)
            grad = torch.minimum(torch.maximum(grad, -bound), bound)
        clipped.append(grad)
    return clipped


def clip_by_global_norm(grads, max_norm):
    there = [grad for grad in grads if grad is not None]
    if not there:
        return list(grads), 0.0
    vector = torch.cat([grad.reshape(-1).to(torch.float64) for grad in there])
    norm = float(torch.linalg.vector_norm(vector))
    if norm != norm or norm == float("inf"):
        raise ValueError("not finite")
    factor = max_norm / norm if norm > max_norm else 1.0
    parts = iter((factor * vector).split([grad.numel() for grad in there]))
    return [None if grad is None else next(parts).reshape(grad.shape).to(grad.dtype) for grad in grads], norm
