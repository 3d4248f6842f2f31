"""Scaled dot-product attention, its backward pass by hand, and multi-head attention, in PyTorch.

A query is compared with every key, and the values of the keys are averaged, those of the best matches weighing most.
No function here changes a tensor that it is given.

Letters: B batch, H heads, T queries, S keys and values, K key width, V value width, D model width. A mask is a bool
tensor, True where a query may attend to a key, of any shape that broadcasts to that of the scores.
"""

import math

import torch
from jaxtyping import Bool, Float


def scaled_dot_product_attention(
    q: Float[torch.Tensor, "*lead T K"],
    k: Float[torch.Tensor, "*lead S K"],
    v: Float[torch.Tensor, "*lead S V"],
    mask: Bool[torch.Tensor, "..."] | None = None,
) -> tuple[Float[torch.Tensor, "*lead T V"], Float[torch.Tensor, "*lead T S"]]:
    """Average the values for every query, weighted by how well it matches their keys: softmax(q · kᵀ / √K) · v.

    A key that the mask excludes gets a weight of exactly 0, and the others share the 1 among them. A query that may
    attend to no key at all gets zeros, as its weights and as its output, not nan; nor may it send a nan back through
    autograd. All this holds for scores up to ±10⁷. Write it with matrix products and `torch.softmax`, not with PyTorch's
    own attention.

    Args:
        q: queries, (..., T, K), of any number of leading axes, often (B, H).
        k: keys, (..., S, K), with the same leading axes.
        v: values, (..., S, V), with the same leading axes.
        mask: True where query t may attend to key s; of a shape that broadcasts to (..., T, S). None allows all.

    Returns:
        The tuple (output, weights) of shapes (..., T, V) and (..., T, S), in the dtype of the inputs. Gradients flow
        back through both.

    Reference:
        Vaswani et al., Attention Is All You Need (2017), section 3.2.1, equation 1.

    Example:
        >>> q, k = torch.ones(1, 4), torch.tensor([[0.0], [math.log(3.0) / 2.0]]).expand(2, 4)
        >>> output, weights = scaled_dot_product_attention(q, k, torch.tensor([[0.0, 8.0, 4.0], [4.0, 0.0, 4.0]]))
        >>> weights.round(decimals=4).tolist(), output.round(decimals=4).tolist()
        ([[0.25, 0.75]], [[3.0, 2.0, 4.0]])
    """
    raise NotImplementedError


class MultiHeadAttention(torch.nn.Module):
    """Several attentions side by side, each on projections of its own, and a last projection of what they found.

    The four projections are `torch.nn.Linear` layers, initialised as those are, and these are the only entries of the
    state_dict. PyTorch stores the weight of a linear layer as (outputs, inputs):

        q_proj.weight   (H·K, D)    q_proj.bias     (H·K,)
        k_proj.weight   (H·K, D)    k_proj.bias     (H·K,)
        v_proj.weight   (H·V, D)    v_proj.bias     (H·V,)
        out_proj.weight (D, H·V)    out_proj.bias   (D,)

    Heads lie in these features one after the other: feature h·K + i of `q_proj` and of `k_proj` is entry i of head h,
    feature h·V + i of `v_proj` is entry i of the values of head h, and what head h found goes into features h·V to
    h·V + V - 1 of `out_proj`. Use `torch.nn.Linear` and `scaled_dot_product_attention`, not
    `torch.nn.MultiheadAttention`.

    Args:
        d_model: the width of inputs and outputs, D.
        heads: the number of heads, H.
        key_width: the width of a head's queries and keys, K; None for D / H.
        value_width: the width of a head's values, V; None for D / H.
        bias: whether the projections have biases; all four or none.

    Raises:
        ValueError: a width is None and `heads` does not divide `d_model`.

    Reference:
        Vaswani et al., Attention Is All You Need (2017), sections 3.2.2 and 3.2.3.

    Example:
        >>> attention = MultiHeadAttention(d_model=6, heads=2, value_width=5, bias=False)
        >>> {name: tuple(value.shape) for name, value in attention.state_dict().items()} == {
        ...     "q_proj.weight": (6, 6), "k_proj.weight": (6, 6), "v_proj.weight": (10, 6), "out_proj.weight": (6, 10)
        ... }
        True
    """

    def __init__(
        self,
        d_model: int,
        heads: int,
        *,
        key_width: int | None = None,
        value_width: int | None = None,
        bias: bool = True,
    ):
        raise NotImplementedError

    def forward(
        self,
        x: Float[torch.Tensor, "B T D"],
        memory: Float[torch.Tensor, "B S D"] | None = None,
        mask: Bool[torch.Tensor, "..."] | None = None,
    ) -> Float[torch.Tensor, "B T D"]:
        """Let every position of `x` attend to the positions of `memory`, or of `x` itself.

        Args:
            x: where the queries come from, (B, T, D).
            memory: where both the keys and the values come from, (B, S, D); None for `x` itself (self-attention).
            mask: True where query t may attend to key s; of a shape that broadcasts to (B, H, T, S). None allows all.

        Returns:
            One vector for every query, (B, T, D). For a query that may attend to no key it is the bias of `out_proj`.

        Example:
            >>> attention = MultiHeadAttention(d_model=2, heads=2, bias=False)
            >>> names = ("q_proj", "k_proj", "v_proj", "out_proj")
            >>> _ = attention.load_state_dict({f"{name}.weight": torch.eye(2) for name in names})
            >>> memory = torch.tensor([[[0.0, 4.0], [math.log(3.0), 4.0]]])  # head 0 weighs these ¼ and ¾, head 1 equally
            >>> attention(torch.ones(1, 1, 2), memory).detach()
            tensor([[[0.8240, 4.0000]]])
        """
        raise NotImplementedError


def attention_backward(
    dy: Float[torch.Tensor, "*lead T V"],
    q: Float[torch.Tensor, "*lead T K"],
    k: Float[torch.Tensor, "*lead S K"],
    v: Float[torch.Tensor, "*lead S V"],
    mask: Bool[torch.Tensor, "..."] | None = None,
) -> tuple[Float[torch.Tensor, "*lead T K"], Float[torch.Tensor, "*lead S K"], Float[torch.Tensor, "*lead S V"]]:
    """The gradients of a loss with respect to q, k and v, given its gradient with respect to the output of attention.

    Walk softmax(q · kᵀ / √K) · v back by hand, without autograd. Through the softmax of one query: with weights p and
    their gradients dp, the gradient of score s is p_s · (dp_s - Σ_r p_r · dp_r).

    Args:
        dy: the gradient with respect to the output of `scaled_dot_product_attention`, (..., T, V).
        q: the queries that it was given, (..., T, K).
        k: the keys, (..., S, K).
        v: the values, (..., S, V).
        mask: the mask, as there: of a shape that broadcasts to (..., T, S), or None.

    Returns:
        The tuple (dq, dk, dv) of shapes (..., T, K), (..., S, K) and (..., S, V). A query that may attend to no key
        has dq zero and adds nothing to dk and dv.

    Reference:
        Dao et al., FlashAttention (2022), appendix B.2.

    Example:
        >>> q, k = torch.ones(1, 4), torch.tensor([[0.0], [math.log(3.0) / 2.0]]).expand(2, 4)  # weights ¼ and ¾
        >>> dq, dk, dv = attention_backward(torch.tensor([[16.0]]), q, k, torch.tensor([[1.0], [3.0]]))
        >>> dk.round(decimals=4).tolist(), dv.round(decimals=4).tolist()
        ([[-3.0, -3.0, -3.0, -3.0], [3.0, 3.0, 3.0, 3.0]], [[4.0], [12.0]])
    """
    raise NotImplementedError
