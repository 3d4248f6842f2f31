"""Losses beyond cross-entropy, in PyTorch: for rare classes, for labels that are not quite sure, and for embeddings.

Each is a mean, a tensor of shape () with the dtype of its first argument, and is differentiable: value and gradient are
finite for every finite input that the docstring allows. Primitives like `log_softmax`, `logsumexp` or `logsigmoid` may be
used; the losses of `torch.nn` that have these names, or nearly, are what you write.

Letters: N rows, C classes, D features. Real tensors are float32 or float64.
"""

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.nn.functional import logsigmoid


def focal_loss(
    logits: Float[Tensor, "..."], targets: Shaped[Tensor, "..."], gamma: float = 2.0, alpha: float = 0.25
) -> Float[Tensor, ""]:
    """A binary cross-entropy in which easy examples count for little, so that a few hard ones are not drowned.

    With p = σ(logit), call p_t the probability that the right answer is given: p where the target is 1, 1 - p where it is 0.
    Likewise α_t is alpha where the target is 1, and 1 - alpha where it is 0. The loss is the mean over all entries of

        -α_t · (1 - p_t)^gamma · log p_t

    Value and gradient have to be right for logits up to ±1000 and any gamma, 0 and fractions included. There both p_t and
    1 - p_t round to 0, whose logarithm, and whose slope under a fractional power, are infinite: compute the logarithms of
    both from the logits, and the power from the logarithm of 1 - p_t.

    Args:
        logits: scores for the answer "yes", any shape.
        targets: 0 or 1 for each of them, of the same shape; of any dtype, bool included.
        gamma: how strongly easy examples are played down, at least 0; 0 is a weighted cross-entropy.
        alpha: the weight of the targets that are 1, between 0 and 1.

    Returns:
        The loss, of shape () and the dtype of `logits`.

    Raises:
        ValueError: `logits` and `targets` have different shapes.

    Reference:
        Lin, Goyal, Girshick, He & Dollár, Focal Loss for Dense Object Detection (2017), section 3.2, equation 5.

    Example:
        >>> logits = torch.tensor([3.0, 3.0]).log()  # p = ¾ twice, so p_t is ¾ and ¼
        >>> loss = focal_loss(logits, torch.tensor([1, 0]), gamma=2.0, alpha=0.5)
        >>> round(loss.item(), 4)  # ½ · (1/16 · 0.2877 + 9/16 · 1.3863) / 2
        0.1994
    """
    raise NotImplementedError


def label_smoothing_loss(
    logits: Float[Tensor, "N C"], targets: Int[Tensor, "N"], smoothing: float = 0.1
) -> Float[Tensor, ""]:
    """The cross-entropy against targets that are a little unsure: it stops rewarding ever larger logits.

    The right class gets the probability 1 - smoothing, and the rest is shared out among *all* C classes, the right one
    included: q_c = (1 - smoothing) · [c is right] + smoothing / C. The loss is the mean over rows of -Σ_c q_c · log p_c, with
    p the softmax of the row.

    Args:
        logits: (N, C), ±1000 included.
        targets: the right class of every row, (N,), int64 from 0 to C - 1.
        smoothing: from 0, which is the plain cross-entropy, to 1, which ignores the targets.

    Returns:
        The loss, of shape () and the dtype of `logits`.

    Raises:
        ValueError: `smoothing` is not in [0, 1].

    Reference:
        Szegedy, Vanhoucke, Ioffe, Shlens & Wojna, Rethinking the Inception Architecture (2016), section 7.

    Example:
        >>> logits = torch.tensor([[3.0, 1.0]]).log()  # p = ¾, ¼
        >>> loss = label_smoothing_loss(logits, torch.tensor([0]), smoothing=0.4)
        >>> round(loss.item(), 4)  # 0.8 · 0.2877 + 0.2 · 1.3863
        0.5074
    """
    raise NotImplementedError


def triplet_loss(embeddings: Float[Tensor, "N D"], labels: Int[Tensor, "N"], margin: float = 0.2) -> Float[Tensor, ""]:
    """Pull rows of one label together and push those of different labels apart, with the hardest triplets of the batch.

    Distances are Euclidean, not squared. For every row (the anchor) take the *farthest* other row with the same label, at
    distance a, and the *nearest* row with another label, at distance b. Its loss is max(0, a - b + margin). A row that has
    no other row of its label, or none of another label, is no anchor; the loss is the mean over the anchors, those
    with a loss of 0 included, and 0 where there are none.

    Two rows may be equal. The slope of a square root is infinite at 0, and what autograd makes of it is nan; let the
    distance of equal rows have the gradient 0 instead.

    Args:
        embeddings: one row an example, (N, D). They may lie far from the origin and near to each other: subtract before
            you square.
        labels: whose they are, (N,).
        margin: how much nearer the same label has to be, positive.

    Returns:
        The loss, of shape () and the dtype of `embeddings`; `backward` can be called on it, also where it is 0.

    Reference:
        Hermans, Beyer & Leibe, In Defense of the Triplet Loss for Person Re-Identification (2017), equation 5 ("batch hard").

    Example:
        >>> rows = torch.tensor([[0.0], [1.0], [3.0], [7.0]])  # the last has a label of its own: no anchor
        >>> loss = triplet_loss(rows, torch.tensor([5, 5, 5, 8]), margin=2.0)
        >>> round(loss.item(), 4)  # (max(0, 3 - 7 + 2) + max(0, 2 - 6 + 2) + max(0, 3 - 4 + 2)) / 3
        0.3333
    """
    raise NotImplementedError


def info_nce(x: Float[Tensor, "N D"], y: Float[Tensor, "N D"], temperature: float = 0.1) -> Float[Tensor, ""]:
    """Let every row of x find its partner, the same row of y, among all rows of y, and the other way round.

    With rows scaled to length 1, the similarity of x_i and y_j is s_ij = x_i · y_j / temperature. Finding the partner of x_i
    is a classification with N classes whose logits are s_i1 … s_iN and whose right answer is i; finding that of y_j has the
    logits s_1j … s_Nj. The loss is the mean cross-entropy over all rows of x and all rows of y. All other rows of the batch
    are the negatives: nothing else is needed to keep the embeddings from falling together.

    Args:
        x: one view of each example, (N, D). No row is zero; rows may have any length.
        y: the other view of the same examples, (N, D), likewise.
        temperature: positive; the smaller, the more the nearest negatives count.

    Returns:
        The loss, of shape () and the dtype of `x`; right also for temperatures like 0.001.

    Raises:
        ValueError: the shapes of `x` and `y` differ, or `temperature` is not positive.

    Reference:
        van den Oord, Li & Vinyals, Representation Learning with Contrastive Predictive Coding (2018), equation 4. Radford
        et al., CLIP (2021), figure 3, for the two directions.

    Example:
        >>> x = torch.tensor([[2.0, 0.0], [0.0, 5.0]])
        >>> loss = info_nce(x, x, temperature=1.0 / torch.tensor(3.0).log().item())  # similarities ln 3 and 0
        >>> round(loss.item(), 4)  # -ln ¾, four times
        0.2877
    """
    raise NotImplementedError
