"""One-hot cotangents in the place of sums of scores, leaves made in hooks, all patches in one batch."""

import contextlib

import torch


def _slopes(model, x, targets):
    x = x.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        scores = model(x)
    chosen = torch.nn.functional.one_hot(targets, scores.shape[1]).to(scores)
    return torch.autograd.grad(scores, x, grad_outputs=chosen)[0]


def saliency(model, x, targets):
    return _slopes(model, x, targets).abs().max(1).values


def integrated_gradients(model, x, targets, baseline=None, steps=50):
    x = x.detach()
    start = x.new_zeros(()) if baseline is None else baseline.detach()
    at = [_slopes(model, torch.lerp(start.expand_as(x), x, (2 * k + 1) / (2 * steps)), targets) for k in range(steps)]
    return torch.stack(at).mean(0).mul(x - start)


@contextlib.contextmanager
def _leaf_at(layer):
    found = []

    def cut(module, inputs, output):
        found.append(output.detach().requires_grad_())
        return found[-1] * 1

    handle = layer.register_forward_hook(cut)
    try:
        yield found
    finally:
        handle.remove()


def grad_cam(model, layer, x, targets):
    with _leaf_at(layer) as found:
        scores = model(x.detach())
    total = scores[torch.arange(len(x)), targets].sum()
    slopes = torch.autograd.grad(total, found[0])[0]
    return torch.einsum("nf,nfyx->nyx", slopes.flatten(2).mean(2), found[0].detach()).clamp(min=0)


@torch.no_grad()
def occlusion_map(model, x, targets, size, stride=1, value=0.0):
    n, c, height, width = x.shape
    if height < size or width < size:
        raise ValueError("size")
    ys, xs = torch.arange(0, height - size + 1, stride), torch.arange(0, width - size + 1, stride)
    rows, columns = torch.arange(height), torch.arange(width)
    in_rows = (rows >= ys[:, None]) & (rows < ys[:, None] + size)
    in_columns = (columns >= xs[:, None]) & (columns < xs[:, None] + size)
    patch = (in_rows[:, None, :, None] & in_columns[None, :, None, :]).flatten(0, 1)
    covered = torch.where(patch[None, :, None], torch.full_like(x, value)[:, None], x[:, None])  # (N, P, C, Y, X)
    scores = model(covered.flatten(0, 1)).unflatten(0, (n, len(patch)))  # (N, P, K)
    after = scores.gather(2, targets.view(n, 1, 1).expand(-1, len(patch), -1)).squeeze(2)
    before = model(x).gather(1, targets.unsqueeze(1))
    return (before - after).view(n, len(ys), len(xs))
