"""Attention by einsum, -inf and nan_to_num under the mask, the row sums of dy · output in the backward pass."""

from torch import Tensor, einsum, nn


def _flat(x: Tensor) -> Tensor:
    return x.reshape(-1, *x.shape[-2:])


def scaled_dot_product_attention(q, k, v, mask=None):
    lead = q.shape[:-2]
    scores = einsum("ntk,nsk->nts", _flat(q), _flat(k)) * q.shape[-1] ** -0.5
    if mask is not None:
        allowed = _flat(mask.expand(*lead, *scores.shape[-2:]))
        scores = scores.masked_fill(allowed.logical_not(), float("-inf"))
    weights = nn.functional.softmax(scores, dim=-1).nan_to_num(0.0)
    output = einsum("nts,nsv->ntv", weights, _flat(v))
    return output.reshape(*lead, *output.shape[-2:]), weights.reshape(*lead, *weights.shape[-2:])


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, heads, *, key_width=None, value_width=None, bias=True):
        super().__init__()
        share, rest = divmod(d_model, heads)
        if rest and (key_width is None or value_width is None):
            raise ValueError("d_model must be a multiple of heads")
        self.h = heads
        self.k = share if key_width is None else key_width
        self.v = share if value_width is None else value_width
        self.q_proj = nn.Linear(d_model, self.h * self.k, bias=bias)
        self.k_proj = nn.Linear(d_model, self.h * self.k, bias=bias)
        self.v_proj = nn.Linear(d_model, self.h * self.v, bias=bias)
        self.out_proj = nn.Linear(self.h * self.v, d_model, bias=bias)

    def forward(self, x, memory=None, mask=None):
        if memory is None:
            memory = x
        b, t, _ = x.shape
        s = memory.shape[1]
        q = self.q_proj(x).view(b, t, self.h, self.k).permute(0, 2, 1, 3)
        k = self.k_proj(memory).view(b, s, self.h, self.k).permute(0, 2, 1, 3)
        v = self.v_proj(memory).view(b, s, self.h, self.v).permute(0, 2, 1, 3)
        output, _ = scaled_dot_product_attention(q, k, v, mask)
        return self.out_proj(output.permute(0, 2, 1, 3).contiguous().view(b, t, self.h * self.v))


def attention_backward(dy, q, k, v, mask=None):
    output, p = scaled_dot_product_attention(q, k, v, mask)
    scale = q.shape[-1] ** -0.5
    row = (dy * output).sum(-1, keepdim=True)
    ds = p * (einsum("...tv,...sv->...ts", dy, v) - row)
    dq = einsum("...ts,...sk->...tk", ds, k) * scale
    dk = einsum("...ts,...tk->...sk", ds, q) * scale
    return dq, dk, einsum("...ts,...tv->...sv", p, dy)
