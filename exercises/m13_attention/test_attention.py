"""Public checks of attention: run `pytest exercises/m13_attention/test_attention.py`."""

import math

import pytest
import torch

from autograder.testing import assert_close, assert_gradients, assert_shape


def qkv(probe, lead="B H "):
    """Queries, keys and values with K ≠ V and T ≠ S; few sequences and heads, for those who write loops."""
    probe.fix("B", 3)
    probe.fix("H", 2)
    return [probe.tensor(lead + axes) for axes in ("T K", "S K", "S V")]


def random_mask(probe, *spec):
    """Both values occur, and the first key is always allowed."""
    mask = torch.from_numpy(probe.signs(*spec) > 0)
    mask[..., 0] = True
    return mask


@pytest.mark.stage("shape")
def test_scaled_dot_product_attention_returns_an_output_and_weights(learner, probe):
    output, weights = learner.scaled_dot_product_attention(*qkv(probe))
    assert_shape(output, probe.shape("B H T V"), torch.float32, name="the output")
    assert_shape(weights, probe.shape("B H T S"), torch.float32, name="the weights")


def test_scaled_dot_product_attention_with_equal_scores_averages_the_values(learner, probe):
    q, k, v = qkv(probe)
    output, weights = learner.scaled_dot_product_attention(torch.zeros_like(q), k, v)
    assert_close(weights, torch.full(probe.shape("B H T S"), 1.0 / probe.size("S")), name="the weights")
    assert_close(output, v.mean(dim=2, keepdim=True).repeat(1, 1, probe.size("T"), 1), name="the output")


def test_scaled_dot_product_attention_of_a_case_computed_by_hand(learner):
    half = math.log(3.0) / 2.0  # the scores of query 0 are 4 · half / √4 = ln 3 and 0, those of query 1 the negatives
    q, k = torch.tensor([[1.0], [-1.0]]).repeat(1, 4), torch.tensor([[half], [0.0]]).repeat(1, 4)
    output, weights = learner.scaled_dot_product_attention(q, k, torch.tensor([[4.0, 0.0, 8.0], [0.0, 4.0, 8.0]]))
    assert_close(weights, torch.tensor([[0.75, 0.25], [0.25, 0.75]]), name="the weights")
    assert_close(output, torch.tensor([[3.0, 1.0, 8.0], [1.0, 3.0, 8.0]]), name="the output")


def test_scaled_dot_product_attention_of_the_first_query_under_a_causal_mask_is_the_first_value(learner, probe):
    t = probe.size("T")
    q, k, v = probe.tensor("B T K"), probe.tensor("B T K"), probe.tensor("B T V")
    output, _ = learner.scaled_dot_product_attention(q, k, v, torch.ones(t, t, dtype=torch.bool).tril())
    assert_close(output[:, 0], v[:, 0])


def test_scaled_dot_product_attention_gives_masked_keys_no_weight(learner, probe):
    mask = random_mask(probe, "T S")
    _, weights = learner.scaled_dot_product_attention(*qkv(probe, ""), mask=mask)
    assert_close(weights > 0, mask, name="where the weights are positive")
    assert_close(weights.sum(dim=-1), torch.ones(probe.size("T")), name="the sums of the weights")


@pytest.mark.stage("whole")
def test_scaled_dot_product_attention_agrees_with_pytorch(learner, probe):
    for lead, spec in (("", "T S"), ("B ", "B 1 S"), ("B H ", "1 H T S")):
        q, k, v = qkv(probe, lead)
        for mask in (None, random_mask(probe, spec)):
            output, _ = learner.scaled_dot_product_attention(q, k, v, mask)
            assert_close(output, torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask))


@pytest.mark.stage("robust")
def test_scaled_dot_product_attention_gives_zeros_to_a_query_that_may_attend_nowhere(learner, probe):
    q, k, v = qkv(probe, "")
    mask = random_mask(probe, "T S")
    mask[0] = False
    output, weights = learner.scaled_dot_product_attention(q, k, v, mask)
    assert_close(output[0], torch.zeros(probe.size("V")), name="the output of query 0")
    assert_close(weights[0], torch.zeros(probe.size("S")), name="the weights of query 0")
    assert_close(weights[1:].sum(dim=-1), torch.ones(probe.size("T") - 1), name="the sums of the other weights")


@pytest.mark.stage("robust")
def test_scaled_dot_product_attention_sends_no_nan_back_from_a_query_that_may_attend_nowhere(learner, probe):
    q, k, v = qkv(probe, "")
    mask = torch.zeros(probe.size("T"), probe.size("S"), dtype=torch.bool)
    _, gradients = learner.vjp("scaled_dot_product_attention", [q, k, v, mask], (probe.tensor("T V"), None))
    assert_close(gradients[:3], [torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)])


@pytest.mark.stage("robust")
def test_scaled_dot_product_attention_survives_huge_scores(learner):
    q, k = torch.tensor([[1000.0], [-1000.0]]), torch.tensor([[900.0], [1000.0], [800.0]])
    output, _ = learner.scaled_dot_product_attention(q, k, torch.tensor([[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]))
    assert_close(output, torch.tensor([[2.0, 5.0], [3.0, 6.0]]))
    output, _ = learner.scaled_dot_product_attention(q, k, torch.eye(3), torch.tensor([True, False, True]))
    assert_close(output, torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), name="the output with key 1 masked")


def shapes_of(d, h, k, v, bias=True):
    layout = {"q_proj": (h * k, d), "k_proj": (h * k, d), "v_proj": (h * v, d), "out_proj": (d, h * v)}
    weights = {f"{name}.weight": shape for name, shape in layout.items()}
    return weights | ({f"{name}.bias": shape[:1] for name, shape in layout.items()} if bias else {})


def loaded(learner, probe):
    """A model of the widths D, H, K and V with random parameters, and these."""
    d, h, k, v = probe.shape("D H K V")
    model = learner.MultiHeadAttention(d, h, key_width=k, value_width=v)
    state = {name: 0.5 * probe.tensor(*shape) for name, shape in shapes_of(d, h, k, v).items()}
    model.load_state_dict(state)
    return model, state


def project(state, name, x):
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


@pytest.mark.stage("shape")
def test_multi_head_attention_has_the_parameters_that_were_agreed(learner, probe):
    d, h, k, v = probe.shape("D H K V")
    for bias in (True, False):
        model = learner.MultiHeadAttention(d, h, key_width=k, value_width=v, bias=bias)
        parameters = dict(model.named_parameters())
        assert sorted(parameters) == sorted(shapes_of(d, h, k, v, bias)), "the names are those of the docstring"
        for name, shape in shapes_of(d, h, k, v, bias).items():
            assert_shape(parameters[name], shape, name=name)


@pytest.mark.stage("shape")
def test_multi_head_attention_shares_the_model_width_among_its_heads_by_default(learner):
    state = learner.MultiHeadAttention(12, 3).state_dict()
    for name, shape in shapes_of(12, 3, 4, 4).items():
        assert_shape(state[name], shape, name=name)


@pytest.mark.stage("shape")
def test_multi_head_attention_returns_a_vector_of_the_model_width_for_each_query(learner, probe):
    model, _ = loaded(learner, probe)
    x = probe.tensor("B T D")
    assert_shape(model(x), x.shape, x.dtype)
    assert_shape(model(x, probe.tensor("B S D")), x.shape, x.dtype)


def test_multi_head_attention_to_a_single_key_is_its_value_projected(learner, probe):
    model, state = loaded(learner, probe)
    memory = probe.tensor("B 1 D")
    expected = project(state, "out_proj", project(state, "v_proj", memory))
    assert_close(model(memory), expected, name="of one position to itself")
    assert_close(model(probe.tensor("B 1 D"), memory), expected, name="of another position to it")


def test_multi_head_attention_lets_the_first_query_under_a_causal_mask_see_only_itself(learner, probe):
    model, state = loaded(learner, probe)
    x, t = probe.tensor("B T D"), probe.size("T")
    y = model(x, mask=torch.ones(t, t, dtype=torch.bool).tril())
    assert_close(y[:, 0], project(state, "out_proj", project(state, "v_proj", x[:, 0])))


def test_multi_head_attention_does_not_know_the_order_of_positions(learner, probe):
    model, _ = loaded(learner, probe)
    x, order = probe.tensor("B T D"), probe.permutation("T")
    assert_close(model(x[:, order]), model(x)[:, order])


def test_multi_head_attention_weighs_the_keys_anew_in_every_head(learner):
    model = learner.MultiHeadAttention(2, 2, bias=False)
    model.load_state_dict({f"{name}.weight": torch.eye(2) for name in ("q_proj", "k_proj", "v_proj", "out_proj")})
    memory = math.log(3.0) * torch.tensor([[[0.0, 4.0], [1.0, 4.0]]])  # head 0 weighs these ¼ and ¾, head 1 ½ and ½
    assert_close(model(torch.ones(1, 1, 2), memory), math.log(3.0) * torch.tensor([[[0.75, 4.0]]]))


@pytest.mark.stage("whole")
def test_multi_head_attention_agrees_with_pytorch(learner, probe):
    h, width = probe.shape("H K")
    d = h * width
    state = {name: probe.tensor(*shape) / math.sqrt(d) for name, shape in shapes_of(d, h, width, width).items()}
    model, oracle = learner.MultiHeadAttention(d, h), torch.nn.MultiheadAttention(d, h, batch_first=True)
    model.load_state_dict(state)
    for part in ("weight", "bias"):
        packed = torch.cat([state[f"{name}_proj.{part}"] for name in "qkv"])
        oracle.load_state_dict({f"in_proj_{part}": packed}, strict=False)
        oracle.load_state_dict({f"out_proj.{part}": state[f"out_proj.{part}"]}, strict=False)
    x, memory, mask = probe.tensor("B T", d), probe.tensor("B S", d), random_mask(probe, "B H T S")
    expected = oracle(x, memory, memory, attn_mask=~mask.flatten(0, 1))[0].detach()  # there True means "may not"
    assert_close(model(x, memory, mask), expected)


@pytest.mark.stage("whole")
def test_multi_head_attention_lets_gradients_through_to_x_and_memory(learner, probe):
    model, _ = loaded(learner, probe)
    model.double()
    inputs = [probe.tensor(*shape, dtype=torch.float64) for shape in ((1, 2, probe.size("D")), (1, 3, probe.size("D")))]
    dy = probe.tensor(*inputs[0].shape, dtype=torch.float64)
    _, gradients = learner.vjp("MultiHeadAttention.forward", [model, *inputs], dy)
    assert_gradients(model, inputs, gradients[1:3], dy, names=("x", "memory"))


@pytest.mark.stage("robust")
def test_multi_head_attention_of_a_query_that_may_attend_nowhere_is_the_last_bias(learner, probe):
    model, state = loaded(learner, probe)
    mask = random_mask(probe, "B 1 T T")
    mask[:, :, 0] = False
    y = model(probe.tensor("B T D"), mask=mask)
    assert_close(y[:, 0], state["out_proj.bias"].repeat(probe.size("B"), 1))


@pytest.mark.stage("robust")
def test_multi_head_attention_refuses_heads_that_cannot_share_the_model_width(learner):
    for options in ({}, {"key_width": 2}):
        with pytest.raises(ValueError):
            learner.MultiHeadAttention(7, 3, **options)


@pytest.mark.stage("shape")
def test_attention_backward_returns_gradients_shaped_like_q_k_and_v(learner, probe):
    q, k, v = qkv(probe)
    gradients = learner.attention_backward(probe.tensor("B H T V"), q, k, v)
    for name, gradient, given in zip(("dq", "dk", "dv"), gradients, (q, k, v), strict=True):
        assert_shape(gradient, given.shape, given.dtype, name=name)


def test_attention_backward_of_a_case_computed_by_hand(learner):
    half = math.log(3.0) / 2.0  # the weights of query 0 are ¾ and ¼, those of query 1 are ¼ and ¾
    q, k = torch.tensor([[1.0], [-1.0]]).repeat(1, 4), torch.tensor([[half], [0.0]]).repeat(1, 4)
    dq, dk, dv = learner.attention_backward(torch.tensor([[16.0], [32.0]]), q, k, torch.tensor([[3.0], [1.0]]))
    assert_close(dv, torch.tensor([[20.0], [28.0]]), name="dv")
    assert_close(dk, torch.tensor([[-3.0], [3.0]]).repeat(1, 4), name="dk")
    assert_close(dq, torch.tensor([[3.0 * half], [6.0 * half]]).repeat(1, 4), name="dq")


def test_attention_backward_leaves_q_and_k_alone_where_all_values_are_equal(learner, probe):
    q, k, _ = qkv(probe)
    v = probe.tensor("B H 1 V").repeat(1, 1, probe.size("S"), 1)
    dq, dk, _ = learner.attention_backward(probe.tensor("B H T V"), q, k, v)
    assert dq.abs().max() < 1e-3 and dk.abs().max() < 1e-3, "dq and dk are zero: no weight changes the output"


def test_attention_backward_gives_a_masked_key_no_gradient(learner, probe):
    q, k, v = qkv(probe)
    mask = random_mask(probe, "T S")
    mask[:, -1] = False
    _, dk, dv = learner.attention_backward(probe.tensor("B H T V"), q, k, v, mask)
    assert_close(dk[:, :, -1], torch.zeros_like(k[:, :, -1]), name="dk of the key that nobody may see")
    assert_close(dv[:, :, -1], torch.zeros_like(v[:, :, -1]), name="dv of the key that nobody may see")


@pytest.mark.stage("whole")
def test_attention_backward_gives_the_slopes_of_pytorchs_attention(learner, probe):
    # K is 4, whose root is exact: whoever takes it in float32 is right too.
    inputs = [probe.tensor(2, *axes, dtype=torch.float64) for axes in ((3, 4), (5, 4), (5, 6))]
    dy = probe.tensor(2, 3, 6, dtype=torch.float64)
    for mask in (None, random_mask(probe, 2, 3, 5)):

        def output(q, k, v, mask=mask):
            return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)

        assert_gradients(output, inputs, learner.attention_backward(dy, *inputs, mask), dy, names=("q", "k", "v"))


@pytest.mark.stage("whole")
def test_attention_backward_agrees_with_autograd(learner, probe):
    q, k, v = (x.requires_grad_() for x in qkv(probe))
    mask, dy = random_mask(probe, "B 1 1 S"), probe.tensor("B H T V")
    output = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    expected = torch.autograd.grad(output, (q, k, v), dy)
    assert_close(learner.attention_backward(dy, q.detach(), k.detach(), v.detach(), mask), expected)


@pytest.mark.stage("robust")
def test_attention_backward_through_a_query_that_may_attend_nowhere_is_zero(learner, probe):
    q, k, v = qkv(probe, "")
    mask = torch.zeros(probe.size("T"), probe.size("S"), dtype=torch.bool)
    expected = torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
    assert_close(learner.attention_backward(probe.tensor("T V"), q, k, v, mask), expected)
