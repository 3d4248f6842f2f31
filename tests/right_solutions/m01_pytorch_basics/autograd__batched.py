"""With a fresh leaf and backward(inputs=…), batched walks, and the product ∇f · v written out."""

import torch


def _leaf(x):
    return x.detach().clone().requires_grad_(True)


def gradient(function, x):
    leaf = _leaf(x)
    value = function(leaf)
    if value.nelement() > 1:
        raise ValueError("one value only")
    value.backward(inputs=[leaf])
    return leaf.grad


def jacobian(function, x):
    leaf = _leaf(x)
    value = function(leaf)
    units = torch.eye(value.numel(), dtype=x.dtype).reshape(value.numel(), *value.shape)
    (rows,) = torch.autograd.grad(value, leaf, units, is_grads_batched=True)
    return rows.reshape(*value.shape, *x.shape) if value.ndim + x.ndim else rows.squeeze(0)


def hessian_vector_product(function, x, v):
    leaf = _leaf(x)
    (slope,) = torch.autograd.grad(function(leaf).sum(), leaf, create_graph=True)
    along = (slope * v).sum()
    if along.requires_grad:
        (product,) = torch.autograd.grad(along, leaf, allow_unused=True)
        if product is not None:
            return product
    return torch.zeros_like(x)


def detach_target(model, states, rewards, next_states, gamma=0.99):
    target = (rewards.unsqueeze(1) + gamma * model(next_states)).detach()
    return torch.nn.functional.mse_loss(model(states), target)


def accumulate_gradients(model, loss_function, x, y, size):
    rows, losses = x.shape[0], []
    for start in range(0, rows, size):
        part, targets = x[start : start + size], y[start : start + size]
        loss = loss_function(model(part), targets)
        share = torch.full_like(loss, part.shape[0] / rows)
        loss.backward(share)
        losses.append(float(loss.detach() * share))
    return sum(losses)
