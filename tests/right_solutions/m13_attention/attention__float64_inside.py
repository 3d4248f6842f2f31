"""Attention in float64 inside, with a softmax and a linear layer of its own, -1e9 under the mask and an alias for torch."""

import torch as th


def _weights(q, k, mask):
    scale = th.sqrt(th.sqrt(th.tensor(q.shape[-1], dtype=th.float64)))
    scores = th.matmul(q.double() / scale, (k.double() / scale).mT)
    if mask is not None:
        scores = th.where(mask, scores, th.full_like(scores, -1e9))
    scores = scores - scores.max(dim=-1, keepdim=True).values.detach()
    exponentials = scores.exp()
    weights = exponentials / exponentials.sum(dim=-1, keepdim=True)
    if mask is not None:
        weights = weights.masked_fill(~mask.any(dim=-1, keepdim=True), 0.0)
    return weights


def scaled_dot_product_attention(q, k, v, mask=None):
    weights = _weights(q, k, mask)
    return [th.matmul(weights, v.double()).to(q.dtype), weights.to(q.dtype)]


class Projection(th.nn.Module):
    def __init__(self, inputs, outputs, bias):
        super().__init__()
        uniform = th.distributions.Uniform(-(inputs**-0.5), inputs**-0.5)  # as torch.nn.Linear begins
        self.weight = th.nn.Parameter(uniform.sample((outputs, inputs)))
        self.register_parameter("bias", th.nn.Parameter(uniform.sample((outputs,))) if bias else None)

    def forward(self, x):
        y = th.einsum("...i,oi->...o", x, self.weight)
        return y if self.bias is None else y + self.bias


class MultiHeadAttention(th.nn.Module):
    def __init__(self, d_model: int, heads: int, *, key_width=None, value_width=None, bias=True):
        super().__init__()
        widths = [key_width, value_width]
        for n, width in enumerate(widths):
            if width is None:
                if d_model % heads:
                    raise ValueError(f"{d_model} is not a multiple of {heads}")
                widths[n] = d_model // heads
        self.n_heads = heads
        self.q_proj = Projection(d_model, heads * widths[0], bias)
        self.k_proj = Projection(d_model, heads * widths[0], bias)
        self.v_proj = Projection(d_model, heads * widths[1], bias)
        self.out_proj = Projection(heads * widths[1], d_model, bias)

    def split(self, x):
        return th.stack(x.chunk(self.n_heads, dim=-1), dim=1)

    def forward(self, x, memory=None, mask=None):
        source = x if memory is None else memory
        q, k, v = self.split(self.q_proj(x)), self.split(self.k_proj(source)), self.split(self.v_proj(source))
        found = (_weights(q, k, mask) @ v.double()).to(x.dtype)
        return self.out_proj(th.cat(found.unbind(dim=1), dim=-1))


def attention_backward(dy, q, k, v, mask=None):
    dtype = q.dtype
    dy, q, k, v = (x.double() for x in (dy, q, k, v))
    weights = _weights(q, k, mask)
    through = weights * th.matmul(dy, v.mT)
    ds = (through - weights * through.sum(-1)[..., None]) / q.shape[-1] ** 0.5
    return [gradient.to(dtype) for gradient in (ds @ k, ds.mT @ q, weights.mT @ dy)]
