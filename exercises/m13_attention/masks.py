"""Attention masks: which query may look at which key, in PyTorch.

A mask holds booleans: True where attention is allowed, False where it is not. An axis of length 1 stands for "the same
for all". No function here changes a tensor that it is given.

Letters: B batch, H heads, T queries, S keys.
"""

import torch
from jaxtyping import Bool, Int


def causal_mask(t: int, s: int | None = None) -> Bool[torch.Tensor, "T S"]:
    """Let every query attend to its own position and to all earlier ones, and to no later one.

    With more keys than queries, the queries are the *last* T of the S positions: query i stands at position S - T + i.
    That is the case of a model that has read S - T tokens already and goes on with T new ones.

    Args:
        t: the number of queries, T, at least 1.
        s: the number of keys, S; None for as many as there are queries.

    Returns:
        A bool tensor, (T, S): True where query i may attend to key j, that is where j ≤ S - T + i.

    Raises:
        ValueError: `s` is smaller than `t`, so that some query would have no position.

    Reference:
        Vaswani et al., Attention Is All You Need (2017), section 3.2.3, third item.

    Example:
        >>> causal_mask(2, 4).int().tolist()
        [[1, 1, 1, 0], [1, 1, 1, 1]]
    """
    raise NotImplementedError


def padding_mask(lengths: Int[torch.Tensor, "B"], max_length: int | None = None) -> Bool[torch.Tensor, "B S"]:
    """Tell the tokens of every sequence in a batch from the padding that follows them.

    Sequences of different lengths share one tensor: each begins at position 0 and is filled up at its end.

    Args:
        lengths: the number of tokens of every sequence, (B,), integers from 0.
        max_length: the number of positions, S; None for the largest of the lengths.

    Returns:
        A bool tensor, (B, S): True at the tokens, False at the padding.

    Raises:
        ValueError: a sequence is longer than `max_length`.

    Reference:
        Rush, The Annotated Transformer (2018), section "Batches and Masking".

    Example:
        >>> padding_mask(torch.tensor([3, 1]), max_length=4).int().tolist()
        [[1, 1, 1, 0], [1, 0, 0, 0]]
    """
    raise NotImplementedError


def combine_masks(*masks: Bool[torch.Tensor, "..."] | None) -> Bool[torch.Tensor, "_ _ _ _"] | None:
    """Allow attention where all masks allow it, in one mask for scores of shape (B, H, T, S).

    The number of a mask's axes says what they are: two are (T, S), three are (B, T, S), four are (B, H, T, S). Any of
    them may have length 1. So a padding mask (B, S) is passed as `padding[:, None, :]`, which is (B, 1, S): the same
    for all queries.

    Args:
        masks: any number of bool tensors of two to four axes. None stands for "no restriction" and is passed over.

    Returns:
        A bool tensor that always has four axes: as many of each as the masks have after broadcasting, 1 where none of
        them has more. For example (B, 1, T, S) for a padding and a causal mask. None if there is no mask at all.

    Raises:
        TypeError: a mask is not of dtype bool.
        ValueError: a mask has fewer than two axes or more than four.

    Reference:
        Rush, The Annotated Transformer (2018), section "Batches and Masking", `make_std_mask`.

    Example:
        >>> padding = torch.tensor([[True, True], [True, False]])  # (B, S)
        >>> mask = combine_masks(torch.tensor([[True, False], [True, True]]), None, padding[:, None, :])
        >>> mask.shape, mask[:, 0].int().tolist()
        (torch.Size([2, 1, 2, 2]), [[[1, 0], [1, 1]], [[1, 0], [1, 0]]])
    """
    raise NotImplementedError
