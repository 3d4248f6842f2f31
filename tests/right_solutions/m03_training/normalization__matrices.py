"""In float64 throughout and rounded at the end; backward by the Jacobian of the normalization as a matrix."""

import torch


def _normalized(x, axes, eps):
    var, mean = torch.var_mean(x.double(), dim=axes, correction=0, keepdim=True)
    return (x.double() - mean) / torch.sqrt(var + eps), 1 / torch.sqrt(var + eps), mean, var


def _jacobians(xhat, inv_std):
    """(rows, D, D): how x̂ moves with x, for every row."""
    d = xhat.shape[-1]
    centre = torch.eye(d, dtype=xhat.dtype) - 1 / d
    return (centre - torch.einsum("ri,rj->rij", xhat, xhat) / d) * inv_std[:, :, None]


def batchnorm_forward(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    dtype, n = x.dtype, len(x)
    if training:
        if n <= 1:
            raise ValueError("needs two rows")
        xhat, inv_std, mean, var = _normalized(x, 0, eps)
        running_mean = torch.lerp(running_mean.double(), mean[0], momentum).to(dtype)
        running_var = torch.lerp(running_var.double(), var[0] * (n / (n - 1)), momentum).to(dtype)
        inv_std = inv_std[0]
    else:
        inv_std = (running_var.double() + eps).rsqrt()
        xhat = (x.double() - running_mean.double()) * inv_std
    y = torch.addcmul(beta.double(), gamma.double(), xhat)
    cache = {"xhat": xhat.to(dtype), "inv_std": inv_std.to(dtype), "gamma": gamma.clone()}
    return y.to(dtype), cache, running_mean, running_var


def batchnorm_backward(dy, cache):
    wide = {name: value.double() for name, value in cache.items()}
    dx = _jacobians(wide["xhat"].T, wide["inv_std"][:, None]) @ (dy.double() * wide["gamma"]).T[:, :, None]
    dgamma = torch.einsum("nd,nd->d", dy.double(), wide["xhat"])
    return dx[:, :, 0].T.to(dy.dtype), dgamma.to(dy.dtype), torch.einsum("nd->d", dy)


def layernorm_forward(x, gamma, beta, eps=1e-5):
    xhat, inv_std, *_ = _normalized(x, -1, eps)
    y = torch.addcmul(beta.double(), gamma.double(), xhat)
    return y.to(x.dtype), {"xhat": xhat.to(x.dtype), "inv_std": inv_std.to(x.dtype), "gamma": gamma.clone()}


def layernorm_backward(dy, cache):
    d = dy.shape[-1]
    wide = {name: value.double() for name, value in cache.items()}
    jacobians = _jacobians(wide["xhat"].reshape(-1, d), wide["inv_std"].reshape(-1, 1))
    dx = torch.einsum("rij,rj->ri", jacobians, (dy.double() * wide["gamma"]).reshape(-1, d))
    dgamma = torch.einsum("...d,...d->d", dy.double(), wide["xhat"])
    return dx.reshape(dy.shape).to(dy.dtype), dgamma.to(dy.dtype), torch.einsum("...d->d", dy)


def groupnorm_forward(x, groups, gamma, beta, eps=1e-5):
    if x.size(1) % groups:
        raise ValueError("groups")
    parts = [_normalized(part, (1, 2, 3), eps)[0] for part in x.chunk(groups, dim=1)]
    return torch.einsum("c,bcyx->bcyx", gamma.double(), torch.cat(parts, 1)).add(beta[:, None, None]).to(x.dtype)
