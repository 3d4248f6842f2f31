"""One small step at a time, forward and back, as on a computation graph."""

import torch


def batchnorm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    if not training:
        std = torch.sqrt(running_var + eps)
        y = gamma * ((x - running_mean) / std) + beta
        return y, {}, running_mean.clone(), running_var.clone()
    n = x.shape[0]
    if n == 1:
        raise ValueError("one row")
    mu = x.sum(dim=0) / n
    xmu = x - mu
    var = xmu.pow(2).sum(dim=0) / n
    std = torch.sqrt(var + eps)
    xhat = xmu / std
    y = xhat * gamma + beta
    new_mean = running_mean + momentum * (mu - running_mean)
    new_var = running_var + momentum * (xmu.pow(2).sum(dim=0) / (n - 1) - running_var)
    return y, {"gamma": gamma, "inv_std": std.reciprocal(), "xhat": xhat}, new_mean, new_var


def batchnorm_backward(dy, cache):
    xhat, inv_std, gamma = cache["xhat"], cache["inv_std"], cache["gamma"]
    n = dy.shape[0]
    xmu = xhat / inv_std
    dbeta = torch.zeros_like(gamma)
    dgamma = torch.zeros_like(gamma)
    for row in range(n):
        dbeta = dbeta + dy[row]
        dgamma = dgamma + dy[row] * xhat[row]
    dxhat = dy * gamma
    dinv_std = (dxhat * xmu).sum(dim=0)
    dvar = -0.5 * inv_std**3 * dinv_std
    dxmu = dxhat * inv_std + 2 * xmu * dvar / n
    dmu = -dxmu.sum(dim=0)
    return dxmu + dmu / n, dgamma, dbeta


def layernorm_forward(x, gamma, beta, eps=1e-5):
    d = x.shape[-1]
    xmu = x - x.sum(dim=-1, keepdim=True) / d
    std = ((xmu * xmu).sum(dim=-1, keepdim=True) / d + eps) ** 0.5
    xhat = xmu / std
    return xhat * gamma + beta, {"xhat": xhat, "inv_std": 1 / std, "gamma": gamma}


def layernorm_backward(dy, cache):
    xhat, inv_std, gamma = cache["xhat"], cache["inv_std"], cache["gamma"]
    d = dy.shape[-1]
    xmu = xhat / inv_std
    dbeta, dgamma = dy, dy * xhat
    while dbeta.ndim > 1:
        dbeta, dgamma = dbeta.sum(0), dgamma.sum(0)
    dxhat = dy * gamma
    dvar = -0.5 * inv_std**3 * (dxhat * xmu).sum(dim=-1, keepdim=True)
    dxmu = dxhat * inv_std + 2 * xmu * dvar / d
    return dxmu - dxmu.sum(dim=-1, keepdim=True) / d, dgamma, dbeta


def groupnorm_forward(x, groups, gamma, beta, eps=1e-5):
    batch, channels, height, width = x.shape
    if channels % groups != 0:
        raise ValueError("groups")
    x = x.reshape(batch, groups, channels // groups, height, width)
    mean = x.mean(dim=(2, 3, 4), keepdim=True)
    var = ((x - mean) ** 2).mean(dim=(2, 3, 4), keepdim=True)
    x = ((x - mean) * torch.rsqrt(var + eps)).reshape(batch, channels, height, width)
    return x * gamma.reshape(1, channels, 1, 1) + beta.reshape(1, channels, 1, 1)
