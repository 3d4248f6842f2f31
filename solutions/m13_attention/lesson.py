# %% [markdown]
# # Attention
#
# Every figure in this notebook is drawn by the functions that you write in this folder. Fill a function, run its cell
# again, and look at what your code does. Where a function is still empty, the cell says so in one line and the rest of
# the notebook goes on. `%load_ext autograder.practice.magic`, and then `%autograder check causal_mask`, checks one.
#
# Formulas, shapes and an example worked by hand are in `README.md` beside this notebook. Most sections ask a question
# before their figure: decide on an answer first, then run the cell.
#
# Letters: B batch, H heads, T queries, S keys, D model width, K key width, V value width.

# %%
# %load_ext autoreload
# %autoreload 2

# %%
import math
import sys
import traceback
from pathlib import Path

import matplotlib.pyplot as plt
import torch

sys.path.insert(0, "..")  # the folder that holds m13_attention
from m13_attention import attention, masks

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"  # for any eyes
plt.rcParams.update({"font.size": 11, "figure.constrained_layout.use": True, "image.interpolation": "nearest"})
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "lines.linewidth": 2})


def figure(draw):
    """Draw a figure at once, or say which function it still waits for."""
    try:
        draw()
    except NotImplementedError as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        plt.close("all")
        file = f"exercises/m13_attention/{Path(last.filename).name}"
        print(f"not started yet: {last.name} — fill {file} and run this cell again")
    plt.show()


def heat(axes, weights, title, x="key", y="query", limit=1.0):
    axes.imshow(weights, cmap="Blues", vmin=0, vmax=limit)
    axes.set(title=title, xlabel=x, ylabel=y)


# %% [markdown]
# ## 1. A soft look-up
#
# A dictionary answers a question with the value of the one key that is equal to it. Attention answers with a mean of
# all values, weighted by how well their keys match. Here are five keys on a circle, each with a colour for its value,
# and a question that goes round once.
#
# *Before you run the cell:* between two keys, is the answer that of the nearer one, or a mixture? What changes when all
# vectors are made four times as long?


# %%
@figure
def a_soft_look_up():
    angles = torch.arange(5) * 2 * math.pi / 5
    keys = torch.stack([angles.cos(), angles.sin()], dim=1)  # (S, 2)
    around = torch.linspace(0, 2 * math.pi, 361)
    queries = torch.stack([around.cos(), around.sin()], dim=1)  # (T, 2)
    _, panels = plt.subplots(1, 3, figsize=(13, 3.4), sharey=True)
    for axes, length in zip(panels, (1.0, 4.0, 16.0), strict=True):
        _, weights = attention.scaled_dot_product_attention(length * queries, keys, torch.eye(5))
        for key, colour in enumerate((BLUE, ORANGE, GREEN, PURPLE, "#222222")):
            axes.plot(around.rad2deg(), weights[:, key], color=colour)
            axes.axvline(float(angles[key].rad2deg()), color=colour, linewidth=0.8, linestyle=":")
        axes.set(
            title=f"queries of length {length:g}", xlabel="direction of the query, degrees", xticks=range(0, 361, 72)
        )
    panels[0].set_ylabel("weight of each key")


# %% [markdown]
# Short queries ask weakly: everybody has a say. Long ones are as good as a dictionary. Between two keys the answer is
# always a mixture, so it is differentiable: a network can learn what to ask for.
#
# ## 2. Why divide by √K
#
# The products of two random vectors of width K have a variance of K. Without the division the softmax gets steeper with
# the width, until all weight sits on one key, and the gradient is gone.
#
# *Before you run the cell:* the function always divides by √K. How can you switch that off from outside?


# %%
@figure
def why_divide_by_the_root():
    generator = torch.Generator().manual_seed(0)
    widths = [2**power for power in range(1, 11)]
    largest, slope = {"divided": [], "not divided": []}, {"divided": [], "not divided": []}
    for k in widths:
        q, keys = torch.randn(200, k, generator=generator), torch.randn(16, k, generator=generator)
        for name, factor in (("divided", 1.0), ("not divided", math.sqrt(k))):  # a longer query undoes the division
            _, weights = attention.scaled_dot_product_attention(factor * q, keys, torch.eye(16))
            largest[name].append(weights.max(dim=-1).values.mean())
            slope[name].append((weights * (1 - weights)).sum(dim=-1).mean())  # of the softmax, along its diagonal
    _, panels = plt.subplots(1, 2, figsize=(11, 3.4))
    for axes, values, title in zip(
        panels, (largest, slope), ("largest of 16 weights", "slope of the softmax"), strict=True
    ):
        for (name, line), style in zip(values.items(), ("o-", "s--"), strict=True):
            axes.semilogx(widths, line, style, base=2, label=name, color=BLUE if name == "divided" else ORANGE)
        axes.set(title=title, xlabel="width K", ylim=(0, 1))
    panels[0].legend()


# %% [markdown]
# With the division, both curves hardly move. Without it, at K = 1024 one key takes nearly everything, whatever it is,
# and little comes back through the softmax: a network that begins like this learns slowly or not at all.
#
# ## 3. Who may look where
#
# Masks are booleans, True where attention is allowed. A causal mask keeps a language model from reading the answer; a
# padding mask keeps everybody from reading what is only there to fill up a batch. Both at once:
#
# *Before you run the cell:* the second sequence has three tokens. What do the rows of its padded queries look like?


# %%
@figure
def who_may_look_where():
    lengths, t = torch.tensor([6, 3]), 6
    padding = masks.padding_mask(lengths, t)[:, None, :]  # (B, 1, S)
    both = masks.combine_masks(masks.causal_mask(t), padding)  # (B, 1, T, S)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 1, t, 8, generator=generator)
    _, weights = attention.scaled_dot_product_attention(x, x, x, both)
    _, panels = plt.subplots(1, 4, figsize=(13, 3.6))
    heat(panels[0], masks.causal_mask(t).float(), "the causal mask")
    heat(panels[1], both[1, 0].float(), "with padding after 3")
    heat(panels[2], weights[0, 0], "weights of 6 tokens")
    heat(panels[3], weights[1, 0], "weights of 3 tokens")


# %% [markdown]
# Every row sums to 1 over what it may see, and the first row has no choice. The padded queries are rows like the
# others: they see the three real tokens. Nobody looks at *their* results, so that does no harm; what must never happen
# is that a real token sees *them*.
#
# ## 4. Several heads
#
# One head has one weight for each pair of positions: it can look at one thing. Several heads look at several things, on
# projections of their own. Here three heads are set by hand: each matches a part of the features.


# %%
@figure
def several_heads():
    t = 8
    place = torch.arange(t)
    kind = torch.tensor([0, 1, 0, 2, 1, 0, 2, 1])
    x = torch.zeros(1, t, 12)
    x[0, place, kind] = 1.0  # features 0 to 3: what kind of token
    x[0, place, 4 + place % 4] = 1.0  # 4 to 7: its place in a bar of four
    x[0, :, 8] = torch.where(place < 4, 1.0, -1.0)  # 8 to 11: which half it is in
    model = attention.MultiHeadAttention(d_model=12, heads=3, bias=False)
    _, panels = plt.subplots(1, 3, figsize=(11, 3.7))
    names = ("same kind", "same beat", "same half")
    with torch.no_grad():
        model.q_proj.weight.copy_(6.0 * torch.eye(12))
        model.k_proj.weight.copy_(torch.eye(12))
        q = model.q_proj(x).unflatten(-1, (3, 4)).transpose(1, 2)  # (1, H, T, K)
        k = model.k_proj(x).unflatten(-1, (3, 4)).transpose(1, 2)  # (1, H, T, K)
        _, weights = attention.scaled_dot_product_attention(q, k, k)
    for head, (axes, name) in enumerate(zip(panels, names, strict=True)):
        heat(axes, weights[0, head], f"head {head}: {name}", limit=float(weights.max()))


# %% [markdown]
# ## 5. An experiment: learn to look back
#
# The task: repeat the token that stood three places before, at every place of a random sequence. The model is one
# `MultiHeadAttention` between two linear layers, and gets the place of every token with it. It can solve the task in one
# way only: by learning *where* to look.
#
# *Before you run the cell:* what will the matrix of weights look like when it has learnt, and what loss is left? The
# first three places have nothing to repeat.


# %%
@figure
def learn_to_look_back():
    torch.manual_seed(0)
    t, tokens, back = 12, 6, 3
    embed, head = torch.nn.Linear(tokens + t, 48), torch.nn.Linear(48, tokens)
    model = attention.MultiHeadAttention(d_model=48, heads=1)
    parameters = [*embed.parameters(), *model.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=0.01)
    mask, places, losses = masks.causal_mask(t), torch.eye(t).expand(64, t, t), []
    for _ in range(250):
        ids = torch.randint(tokens, (64, t))  # (B, T)
        x = embed(torch.cat([torch.nn.functional.one_hot(ids, tokens).float(), places], dim=-1))  # (B, T, D)
        logits = head(model(x, mask=mask))  # (B, T, C)
        loss = torch.nn.functional.cross_entropy(logits[:, back:].flatten(0, 1), ids[:, :-back].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        _, weights = attention.scaled_dot_product_attention(model.q_proj(x), model.k_proj(x), model.v_proj(x), mask)
    _, panels = plt.subplots(1, 2, figsize=(10, 3.9), width_ratios=(1.4, 1))
    panels[0].plot(losses, color=GREEN)
    panels[0].axhline(math.log(tokens), color="#888888", linestyle="--", linewidth=1)
    panels[0].text(249, math.log(tokens), "guessing, ln 6", ha="right", va="bottom", color="#666666")
    panels[0].set(title="cross-entropy", xlabel="step", ylim=(0, None))
    heat(panels[1], weights.mean(dim=0), "mean weights, learnt")


# %% [markdown]
# The dark diagonal lies three places below the main one: the model has found where to look, and the loss goes to 0. The
# first three rows are arbitrary, nobody asked them.
#
# **Go on.** Take `places` away (zeros instead): what is left, and why? Without the causal mask, does it learn faster or
# slower? Ask for the token three places *ahead*: what does the mask do to that?
