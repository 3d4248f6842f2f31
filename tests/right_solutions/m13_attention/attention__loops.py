"""Attention in loops over heads and queries, its scale a float32 tensor, with the whole Jacobian of the softmax."""

import itertools

import torch


def _matrices(lead):
    """The index of every (T, S) matrix below the leading axes."""
    return itertools.product(*(range(size) for size in lead))


def _root(width):
    return torch.sqrt(torch.tensor(width).float())


def _weights_of_query(query, keys, allowed):
    weights = [0.0 * query.sum() for _ in keys]
    places = [s for s in range(len(keys)) if allowed[s]]
    if not places:
        return torch.stack(weights)
    scores = [torch.dot(query, keys[s]) / _root(len(query)) for s in places]
    largest = max(float(score) for score in scores)
    exponentials = [torch.exp(score - largest) for score in scores]
    total = sum(exponentials)
    for s, exponential in zip(places, exponentials, strict=True):
        weights[s] = exponential / total
    return torch.stack(weights)


def _full_mask(mask, q, k):
    shape = (*q.shape[:-1], k.shape[-2])
    return torch.ones(shape, dtype=torch.bool) if mask is None else mask.expand(shape)


def scaled_dot_product_attention(q, k, v, mask=None):
    allowed = _full_mask(mask, q, k)
    matrices = []
    for i in _matrices(q.shape[:-2]):
        rows = [_weights_of_query(q[i][t], k[i], allowed[i][t].tolist()) for t in range(q.shape[-2])]
        matrices.append(torch.stack(rows))
    weights = torch.stack(matrices).reshape(allowed.shape)
    return torch.matmul(weights, v), weights


class MultiHeadAttention(torch.nn.Module):
    def __init__(self, d_model, heads, *, key_width=None, value_width=None, bias=True):
        super().__init__()
        if key_width is None or value_width is None:
            if d_model % heads != 0:
                raise ValueError("heads must divide d_model")
            key_width = key_width or d_model // heads
            value_width = value_width or d_model // heads
        self.heads, self.key_width, self.value_width = heads, key_width, value_width
        for name, inputs, outputs in (
            ("q_proj", d_model, heads * key_width),
            ("k_proj", d_model, heads * key_width),
            ("v_proj", d_model, heads * value_width),
            ("out_proj", heads * value_width, d_model),
        ):
            self.add_module(name, torch.nn.Linear(inputs, outputs, bias=bias))

    def forward(self, x, memory=None, mask=None):
        memory = memory if memory is not None else x
        shape = (x.shape[0], self.heads, x.shape[1], memory.shape[1])
        allowed = torch.ones(shape, dtype=torch.bool) if mask is None else mask.expand(shape)
        q, k, v = self.q_proj(x), self.k_proj(memory), self.v_proj(memory)
        found = []
        for h in range(self.heads):
            keys = slice(h * self.key_width, (h + 1) * self.key_width)
            values = slice(h * self.value_width, (h + 1) * self.value_width)
            scores = torch.bmm(q[..., keys], k[..., keys].mT) / self.key_width**0.5
            scores = torch.where(allowed[:, h], scores, torch.tensor(-1e30, dtype=scores.dtype))
            weights = torch.softmax(scores, dim=2) * allowed[:, h].any(dim=2, keepdim=True)
            found.append(torch.bmm(weights, v[..., values]))
        return self.out_proj(torch.cat(found, dim=2))


def attention_backward(dy, q, k, v, mask=None):
    _, weights = scaled_dot_product_attention(q, k, v, mask)
    dq, dk, dv = torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
    for i in _matrices(q.shape[:-2]):
        for t in range(q.shape[-2]):
            p = weights[i][t]
            jacobian = torch.diag(p) - torch.outer(p, p)
            ds = jacobian @ (v[i] @ dy[i][t]) / _root(q.shape[-1])
            dq[i][t] = k[i].T @ ds
            dk[i].add_(torch.outer(ds, q[i][t]))
            dv[i].add_(torch.outer(p, dy[i][t]))
    return dq, dk, dv
