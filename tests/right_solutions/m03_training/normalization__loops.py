"""Loops over features, rows and groups, each of which is one vector."""

import torch


def _standardize(values, eps):
    deviations = values - values.mean()
    inv_std = 1 / (deviations.dot(deviations) / len(values) + eps).sqrt()
    return deviations * inv_std, inv_std


def _back(dxhat, xhat, inv_std):
    return inv_std * (dxhat - dxhat.mean() - xhat * dxhat.dot(xhat) / len(xhat))


def batchnorm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    if training and x.shape[0] < 2:
        raise ValueError("at least two rows")
    y, xhat, inv_std = torch.empty_like(x), torch.empty_like(x), torch.empty_like(gamma)
    mean, var = running_mean.clone(), running_var.clone()
    for j in range(x.shape[1]):
        if training:
            xhat[:, j], inv_std[j] = _standardize(x[:, j].clone(), eps)
            mean[j] = (1 - momentum) * mean[j] + momentum * x[:, j].mean()
            var[j] = (1 - momentum) * var[j] + momentum * x[:, j].var()
        else:
            inv_std[j] = (running_var[j] + eps) ** -0.5
            xhat[:, j] = (x[:, j] - running_mean[j]) * inv_std[j]
        y[:, j] = gamma[j] * xhat[:, j] + beta[j]
    return y, dict(xhat=xhat, inv_std=inv_std, gamma=gamma), mean, var


def batchnorm_backward(dy, cache):
    dx, dgamma, dbeta = torch.empty_like(dy), torch.empty_like(dy[0]), torch.empty_like(dy[0])
    for j in range(dy.shape[1]):
        column, xhat = dy[:, j].clone(), cache["xhat"][:, j].clone()
        dx[:, j] = _back(cache["gamma"][j] * column, xhat, cache["inv_std"][j])
        dgamma[j], dbeta[j] = column.dot(xhat), column.sum()
    return dx, dgamma, dbeta


def layernorm_forward(x, gamma, beta, eps=1e-5):
    pairs = [_standardize(row, eps) for row in x.reshape(-1, x.shape[-1])]
    xhat = torch.stack([row for row, _ in pairs]).reshape(x.shape)
    inv_std = torch.stack([scale for _, scale in pairs]).reshape(*x.shape[:-1], 1)
    return xhat * gamma + beta, dict(xhat=xhat, inv_std=inv_std, gamma=gamma)


def layernorm_backward(dy, cache):
    d, gamma = dy.shape[-1], cache["gamma"]
    rows, xhats = dy.reshape(-1, d), cache["xhat"].reshape(-1, d)
    scales = cache["inv_std"].reshape(-1)
    dx = [_back(gamma * row, xhat, scale) for row, xhat, scale in zip(rows, xhats, scales, strict=True)]
    dgamma = sum(row * xhat for row, xhat in zip(rows, xhats, strict=True))
    return torch.stack(dx).reshape(dy.shape), dgamma, sum(rows.unbind())


def groupnorm_forward(x, groups, gamma, beta, eps=1e-5):
    size, rest = divmod(x.shape[1], groups)
    if rest:
        raise ValueError("groups")
    y = torch.empty_like(x)
    for image, out in zip(x, y, strict=True):
        for g in range(groups):
            part = image[g * size : (g + 1) * size]
            flat, _ = _standardize(part.flatten(), eps)
            out[g * size : (g + 1) * size] = flat.reshape(part.shape)
        for c in range(x.shape[1]):
            out[c] = gamma[c] * out[c] + beta[c]
    return y
