"""Hidden checks of scaled dot-product attention, of its backward pass and of multi-head attention."""

import math

import pytest
import torch

from autograder.testing import assert_close, assert_gradients, assert_shape

LEADS = ("", "H ", "B H ")


@pytest.fixture(autouse=True)
def repeatable(learner, probe):
    """The same first parameters whenever the inputs are the same: a check that failed can be repeated."""
    learner.library("torch").manual_seed(int(probe.integers(1, high=10**9)[0]))


def qkv(probe, lead="B H ", dtype=torch.float32):
    """Queries, keys and values with K ≠ V and T ≠ S; few sequences and heads, for those who write loops."""
    probe.fix("B", 3)
    probe.fix("H", 2)
    return [probe.tensor(lead + axes, dtype=dtype) for axes in ("T K", "S K", "S V")]


def random_mask(probe, *spec):
    """Both values occur, and the first key is always allowed."""
    mask = torch.from_numpy(probe.signs(*spec) > 0)
    mask[..., 0] = True
    return mask


def small_case(probe):
    """Float64 queries, keys, values, a mask and a gradient of the output, few enough for finite differences."""
    # K is 4, whose root is exact: whoever takes it in float32 is right too.
    inputs = [probe.tensor(2, *axes, dtype=torch.float64) for axes in ((3, 4), (5, 4), (5, 6))]
    return inputs, random_mask(probe, 2, 3, 5), probe.tensor(2, 3, 6, dtype=torch.float64)


def one_winner(probe):
    """Huge scores of either sign, far apart; the keys with the highest and the second highest score of each query."""
    k_width, keys = probe.size("K"), probe.size("S", at_least=3)
    size = 300.0 * probe.tensor(probe.signs("T")) + 10.0 * probe.tensor("T")  # (T,)
    place = probe.tensor(probe.permutation(keys)).float()  # (S,)
    q, k = size[:, None].expand(-1, k_width), (800.0 + 10.0 * place)[:, None].expand(-1, k_width)  # (T, K), (S, K)
    best = torch.where(size[:, None] > 0, -place, place).argsort(dim=1)  # (T, S)
    return q.contiguous(), k.contiguous(), best[:, 0], best[:, 1]


def one_hot(index, size):
    return torch.eye(size)[index]


def by_loops(q, k, v, mask):
    """Attention of one head written out: q (T, K), k (S, K), v (S, V), mask (T, S)."""
    weights = torch.zeros(len(q), len(k))  # (T, S)
    for t in range(len(q)):
        for s in range(len(k)):
            weights[t, s] = math.exp(float(q[t] @ k[s]) / math.sqrt(q.shape[1])) if mask[t, s] else 0.0
        weights[t] /= weights[t].sum()
    return weights @ v, weights


@pytest.mark.stage("shape")
def test_scaled_dot_product_attention_returns_an_output_and_weights(learner, probe):
    for dtype in (torch.float32, torch.float64):
        q, k, v = qkv(probe, dtype=dtype)
        result = learner.scaled_dot_product_attention(q, k, v)
        assert isinstance(result, tuple | list) and len(result) == 2, "it returns the output and the weights"
        assert_shape(result[0], probe.shape("B H T V"), dtype, name="the output")
        assert_shape(result[1], probe.shape("B H T S"), dtype, name="the weights")


def test_scaled_dot_product_attention_gives_each_query_weights_that_sum_to_one(learner, probe):
    _, weights = learner.scaled_dot_product_attention(*qkv(probe))
    assert_close(weights.sum(dim=-1), torch.ones(probe.shape("B H T")))
    assert (weights >= 0).all(), "no weight is negative"


def test_scaled_dot_product_attention_to_one_key_returns_its_value(learner, probe):
    q, k, v = probe.tensor("B H T K"), probe.tensor("B H 1 K"), probe.tensor("B H 1 V")
    output, weights = learner.scaled_dot_product_attention(q, k, v)
    assert_close(weights, torch.ones(*probe.shape("B H T"), 1), name="the weights")
    assert_close(output, v.repeat(1, 1, probe.size("T"), 1), name="the output")


def test_scaled_dot_product_attention_with_equal_scores_averages_the_values(learner, probe):
    q, k, v = qkv(probe)
    output, weights = learner.scaled_dot_product_attention(torch.zeros_like(q), k, v)
    assert_close(weights, torch.full(probe.shape("B H T S"), 1.0 / probe.size("S")), name="the weights")
    assert_close(output, v.mean(dim=2, keepdim=True).repeat(1, 1, probe.size("T"), 1), name="the output")


def test_scaled_dot_product_attention_divides_scores_by_the_root_of_the_key_width(learner, probe):
    q, k, v = qkv(probe)
    q, k = 0.5 * q, 0.5 * k
    _, weights = learner.scaled_dot_product_attention(q, k, v)
    ratio = torch.log(weights / weights[..., :1])  # (B, H, T, S): score of a key minus that of key 0
    products = torch.einsum("bhtk,bhsk->bhts", q, k - k[:, :, :1])  # (B, H, T, S)
    assert_close(ratio, products / math.sqrt(probe.size("K")), name="the differences of the scores")


def test_scaled_dot_product_attention_sums_the_values_by_their_weights(learner, probe):
    q, k, v = qkv(probe)
    output, weights = learner.scaled_dot_product_attention(q, k, v)
    assert_close(output, (weights[..., None] * v[:, :, None]).sum(dim=3))


def test_scaled_dot_product_attention_gives_masked_keys_no_weight(learner, probe):
    inputs, mask = qkv(probe), random_mask(probe, "B H T S")
    _, weights = learner.scaled_dot_product_attention(*inputs, mask)
    assert_close(weights > 0, mask, name="where the weights are positive")
    assert_close(weights[~mask], torch.zeros(int((~mask).sum())), name="the weights of masked keys")


def test_scaled_dot_product_attention_of_the_first_query_under_a_causal_mask_is_the_first_value(learner, probe):
    t = probe.size("T")
    q, k, v = probe.tensor("B T K"), probe.tensor("B T K"), probe.tensor("B T V")
    output, _ = learner.scaled_dot_product_attention(q, k, v, torch.ones(t, t, dtype=torch.bool).tril())
    assert_close(output[:, 0], v[:, 0])


def test_scaled_dot_product_attention_ignores_masked_keys_as_if_they_were_not_there(learner, probe):
    q, k, v = qkv(probe)
    keep = random_mask(probe, "S")
    output, weights = learner.scaled_dot_product_attention(q, k, v, mask=keep.repeat(probe.size("T"), 1))
    expected, expected_weights = learner.scaled_dot_product_attention(q, k[:, :, keep], v[:, :, keep])
    assert_close(output, expected, name="the output")
    assert_close(weights[..., keep], expected_weights, name="the weights of the other keys")


def test_scaled_dot_product_attention_of_a_case_computed_by_hand(learner):
    half = math.log(2.0) / 2.0  # the scores of k = (a, a, a, a) are 2·a·q
    q, k = torch.tensor([[1.0], [-1.0]]).repeat(1, 4), torch.tensor([[0.0], [half], [2 * half]]).repeat(1, 4)
    v = torch.tensor([[7.0, 0.0], [0.0, 7.0], [14.0, 0.0]])
    output, weights = learner.scaled_dot_product_attention(q, k, v)
    assert_close(weights, torch.tensor([[1.0, 2.0, 4.0], [4.0, 2.0, 1.0]]) / 7.0, name="the weights")
    assert_close(output, torch.tensor([[9.0, 2.0], [6.0, 2.0]]), name="the output")


@pytest.mark.stage("whole")
def test_scaled_dot_product_attention_equals_the_reference(learner, reference, probe):
    q, k, v = qkv(probe)
    mask = random_mask(probe, "B H T S")
    for given in (None, mask):
        expected = reference.scaled_dot_product_attention(q, k, v, given)
        assert_close(learner.scaled_dot_product_attention(q, k, v, mask=given), expected)


@pytest.mark.stage("whole")
def test_scaled_dot_product_attention_agrees_with_pytorch(learner, probe):
    q, k, v = qkv(probe)
    for mask in (None, random_mask(probe, "B H T S")):
        output, _ = learner.scaled_dot_product_attention(q, k, v, mask)
        assert_close(output, torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask))


@pytest.mark.stage("whole")
def test_scaled_dot_product_attention_is_as_exact_as_float64_allows(learner, reference, probe):
    (q, k, v), mask, _ = small_case(probe)
    for given in (None, mask):
        expected = reference.scaled_dot_product_attention(q, k, v, given)
        assert_close(learner.scaled_dot_product_attention(q, k, v, given), expected)


@pytest.mark.stage("whole")
def test_scaled_dot_product_attention_reads_the_last_axes_of_a_mask_where_other_sizes_agree(learner, reference, probe):
    n = probe.size("T")
    q, k, v = (probe.tensor(n, n, *axes) for axes in ((n, "K"), ("S", "K"), ("S", "V")))  # as many B and H as T
    for spec in ((n, "S"), (n, n, "S")):
        mask = random_mask(probe, *spec)
        expected = reference.scaled_dot_product_attention(q, k, v, mask.expand(n, n, n, -1).clone())
        assert_close(learner.scaled_dot_product_attention(q, k, v, mask), expected)


@pytest.mark.stage("whole")
def test_scaled_dot_product_attention_agrees_with_two_loops(learner, probe):
    q, k, v = qkv(probe, "")
    mask = random_mask(probe, "T S")
    assert_close(learner.scaled_dot_product_attention(q, k, v, mask), by_loops(q, k, v, mask))


@pytest.mark.stage("whole")
def test_scaled_dot_product_attention_broadcasts_masks_of_many_shapes(learner, reference, probe):
    q, k, v = qkv(probe)
    for spec in ("T S", "B 1 T S", "B 1 1 S", "1 H T S", "H 1 S", "S"):
        mask = random_mask(probe, spec)
        expected = reference.scaled_dot_product_attention(q, k, v, mask.expand(probe.shape("B H T S")).clone())
        assert_close(learner.scaled_dot_product_attention(q, k, v, mask), expected)


@pytest.mark.stage("whole")
def test_scaled_dot_product_attention_takes_any_number_of_leading_axes(learner, reference, probe):
    for lead in (*LEADS, "2 B H "):
        q, k, v = qkv(probe, lead)
        mask = random_mask(probe, "T S")
        expected = reference.scaled_dot_product_attention(q, k, v, mask)
        assert_close(learner.scaled_dot_product_attention(q, k, v, mask), expected)


@pytest.mark.stage("whole")
def test_scaled_dot_product_attention_lets_gradients_through_to_q_k_and_v(learner, reference, probe):
    inputs = [*qkv(probe), random_mask(probe, "B H T S")]
    dy, dweights = probe.tensor("B H T V"), probe.tensor("B H T S")
    for upstream in ((dy, None), (dy, dweights)):
        _, gradients = learner.vjp("scaled_dot_product_attention", inputs, upstream)
        _, expected = reference.vjp("scaled_dot_product_attention", inputs, upstream)
        assert_close(gradients, expected, name="the gradients of q, k, v and the mask")


@pytest.mark.stage("robust")
def test_scaled_dot_product_attention_gives_zeros_to_a_query_that_may_attend_nowhere(learner, probe):
    q, k, v = qkv(probe)
    mask = random_mask(probe, "B H T S")
    expected, expected_weights = (x.clone() for x in learner.scaled_dot_product_attention(q, k, v, mask))
    mask[:, 0, -1], expected[:, 0, -1], expected_weights[:, 0, -1] = False, 0.0, 0.0
    output, weights = learner.scaled_dot_product_attention(q, k, v, mask)
    assert_close(weights, expected_weights, name="the weights")
    assert_close(output, expected, name="the output")


@pytest.mark.stage("robust")
def test_scaled_dot_product_attention_gives_zeros_where_everything_is_masked(learner, probe):
    q, k, v = qkv(probe)
    nowhere = torch.zeros(probe.size("T"), probe.size("S"), dtype=torch.bool)
    expected = torch.zeros(probe.shape("B H T V")), torch.zeros(probe.shape("B H T S"))
    assert_close(learner.scaled_dot_product_attention(q, k, v, nowhere), expected)


@pytest.mark.stage("robust")
def test_scaled_dot_product_attention_sends_no_nan_back_from_a_query_that_may_attend_nowhere(learner, probe):
    q, k, v = qkv(probe, "B ")
    mask, dy = random_mask(probe, "B T S"), probe.tensor("B T V")
    mask[:, 0] = False
    _, gradients = learner.vjp("scaled_dot_product_attention", [q, k, v, mask], (dy, None))
    rest = [q[:, 1:].clone(), k, v, mask[:, 1:].clone()]
    _, expected = learner.vjp("scaled_dot_product_attention", rest, (dy[:, 1:].clone(), None))
    assert_close(gradients[0], torch.cat([torch.zeros_like(q[:, :1]), expected[0]], dim=1), name="the gradient of q")
    assert_close(gradients[1:3], expected[1:3], name="the gradients of k and v")


@pytest.mark.stage("robust")
def test_scaled_dot_product_attention_survives_huge_scores(learner, probe):
    q, k, best, _ = one_winner(probe)
    v = probe.tensor("S V")
    expected = v[best], one_hot(best, probe.size("S"))
    assert_close(learner.scaled_dot_product_attention(q, k, v), expected)


@pytest.mark.stage("robust")
def test_scaled_dot_product_attention_survives_a_huge_score_under_the_mask(learner, probe):
    q, k, best, second = one_winner(probe)
    v, mask = probe.tensor("S V"), one_hot(best, probe.size("S")) == 0
    expected = v[second], one_hot(second, probe.size("S"))
    assert_close(learner.scaled_dot_product_attention(q, k, v, mask), expected)


@pytest.mark.stage("robust")
def test_scaled_dot_product_attention_of_sizes_one(learner, reference, probe):
    for t, s, k_width, v_width in ((1, 5, 3, 2), (5, 1, 3, 2), (5, 3, 1, 2), (5, 3, 2, 1)):
        q, k, v = probe.tensor(2, t, k_width), probe.tensor(2, s, k_width), probe.tensor(2, s, v_width)
        expected = reference.scaled_dot_product_attention(q, k, v)
        assert_close(learner.scaled_dot_product_attention(q, k, v), expected)


# Multi-head attention, mostly with widths of the heads that do not follow from D.


def make(module, probe, **given):
    """A model with the widths D, H, K and V, and its layout: name and shape of every parameter."""
    d, h, k, v = probe.shape("D H K V")
    options = {"key_width": k, "value_width": v, **given}
    layout = {"q_proj": (h * k, d), "k_proj": (h * k, d), "v_proj": (h * v, d), "out_proj": (d, h * v)}
    shapes = {}
    for name, shape in layout.items():
        shapes |= {f"{name}.weight": shape} | ({f"{name}.bias": shape[:1]} if options.get("bias", True) else {})
    return module.MultiHeadAttention(d, h, **options), shapes


def random_state(probe, shapes):
    """Weights that keep the size of what they act on, and biases that are not zero."""
    scales = {name: 1.5 / math.sqrt(shape[-1]) if len(shape) > 1 else 0.5 for name, shape in shapes.items()}
    return {name: scales[name] * probe.tensor(*shape) for name, shape in shapes.items()}


def loaded(module, probe, state=None, **given):
    """A model with the parameters of `state`, and the state; by default a random one."""
    model, shapes = make(module, probe, **given)
    state = random_state(probe, shapes) if state is None else state
    model.load_state_dict(state)
    return model, state


def project(state, name, x):
    return x @ state[f"{name}.weight"].T + state.get(f"{name}.bias", 0.0)


def head_by_head(state, x, memory, mask, heads):
    """Multi-head attention written out, one sequence and one head at a time; mask (B, H, T, S)."""
    q, k, v = project(state, "q_proj", x), project(state, "k_proj", memory), project(state, "v_proj", memory)
    rows = []
    for b in range(len(x)):
        parts = [part[b].chunk(heads, dim=-1) for part in (q, k, v)]  # H of (T, K), of (S, K) and of (S, V)
        found = [by_loops(*(part[h] for part in parts), mask[b, h])[0] for h in range(heads)]  # H of (T, V)
        rows.append(project(state, "out_proj", torch.cat(found, dim=-1)))  # (T, D)
    return torch.stack(rows)  # (B, T, D)


@pytest.mark.stage("shape")
def test_multi_head_attention_has_the_parameters_that_were_agreed(learner, probe):
    for bias in (True, False):
        model, shapes = make(learner, probe, bias=bias)
        state = model.state_dict()
        assert isinstance(state, dict) and sorted(state) == sorted(shapes), "the names are those of the docstring"
        for name, shape in shapes.items():
            assert_shape(state[name], shape, torch.float32, name=name)


def test_multi_head_attention_takes_the_parameters_that_it_is_given(learner, probe):
    for bias in (True, False):
        model, shapes = make(learner, probe, bias=bias)
        state = random_state(probe, shapes)
        model.load_state_dict(state)
        assert_close(dict(model.state_dict()), state, name="the state_dict after load_state_dict")


@pytest.mark.stage("shape")
def test_multi_head_attention_shares_the_model_width_among_its_heads_by_default(learner, probe):
    h, width, other = probe.shape("H K V")
    d = h * width
    model = learner.MultiHeadAttention(d, h)
    assert_shape(model.state_dict()["q_proj.weight"], (d, d))
    assert_shape(model.state_dict()["out_proj.bias"], (d,))
    state = learner.MultiHeadAttention(d, heads=h, key_width=other).state_dict()
    assert_shape(state["k_proj.weight"], (h * other, d), name="k_proj.weight with a key width")
    assert_shape(state["v_proj.weight"], (d, d), name="v_proj.weight with a key width only")
    state = learner.MultiHeadAttention(d_model=d, heads=h, value_width=other).state_dict()
    assert_shape(state["k_proj.weight"], (d, d), name="k_proj.weight with a value width only")
    assert_shape(state["out_proj.weight"], (d, h * other), name="out_proj.weight with a value width")


@pytest.mark.stage("shape")
def test_multi_head_attention_returns_a_vector_of_the_model_width_for_each_query(learner, probe):
    model, _ = make(learner, probe)
    x, memory = probe.tensor("B T D"), probe.tensor("B S D")
    assert_shape(model(x), x.shape, x.dtype)
    assert_shape(model(x, memory), x.shape, x.dtype)


@pytest.mark.task("MultiHeadAttention")
def test_multi_head_attention_can_be_trained_in_all_its_parameters(learner, probe):
    model, shapes = make(learner, probe)
    parameters = dict(model.named_parameters())
    assert sorted(parameters) == sorted(shapes), "all entries of the state_dict are parameters"
    assert all(value.requires_grad for value in parameters.values()), "all parameters want a gradient"


@pytest.mark.task("MultiHeadAttention")
def test_multi_head_attention_starts_from_random_weights_of_moderate_size(learner, probe):
    model, shapes = make(learner, probe)
    for name, value in model.state_dict().items():
        assert torch.isfinite(value).all() and value.abs().max() < 10.0, f"{name} is finite and of moderate size"
        assert len(shapes[name]) == 1 or value.std() > 0.01, f"{name} is random"


@pytest.mark.stage("whole")
@pytest.mark.task("MultiHeadAttention")
def test_multi_head_attention_starts_as_linear_layers_do(learner):
    """Evenly between minus and plus one over the root of the number of inputs."""
    state = learner.MultiHeadAttention(70, 30, key_width=3, value_width=5).state_dict()
    for name, value in state.items():
        bound = 1.0 / math.sqrt(150 if name.startswith("out_proj") else 70)
        places = (value.flatten().double().sort().values / bound + 1.0) / 2.0  # of a Linear: uniform over 0 … 1
        distance = (places - torch.linspace(0.0, 1.0, len(places), dtype=torch.float64)).abs().max()
        # By Dvoretzky, Kiefer and Wolfowitz one of the eight is farther off once in 1e10.
        assert distance < math.sqrt(math.log(1.6e11) / (2 * len(places))) + 1.0 / len(places), f"{name} is even"
        assert value.abs().max() <= bound * (1.0 + 1e-6), f"{name} lies within the bound of a Linear"


def test_multi_head_attention_to_a_single_key_is_its_value_projected(learner, probe):
    model, state = loaded(learner, probe)
    x, memory = probe.tensor("B 1 D"), probe.tensor("B 1 D")
    assert_close(model(x), project(state, "out_proj", project(state, "v_proj", x)), name="of x to itself")
    values = project(state, "out_proj", project(state, "v_proj", memory))
    assert_close(model(x, memory), values, name="of x to memory")


def test_multi_head_attention_takes_keys_and_values_from_memory(learner, probe):
    model, state = loaded(learner, probe)
    x, memory = probe.tensor("B T D"), probe.tensor("B S D")
    state["q_proj.weight"], state["q_proj.bias"] = 0.0 * state["q_proj.weight"], 0.0 * state["q_proj.bias"]
    model.load_state_dict(state)  # all scores are zero
    values = project(state, "v_proj", memory).mean(dim=1, keepdim=True)  # (B, 1, H·V)
    expected = project(state, "out_proj", values)  # (B, 1, D)
    assert_close(model(x, memory), expected.repeat(1, probe.size("T"), 1))


def test_multi_head_attention_lets_the_first_query_under_a_causal_mask_see_only_itself(learner, probe):
    model, state = loaded(learner, probe)
    x, t = probe.tensor("B T D"), probe.size("T")
    y = model(x, mask=torch.ones(t, t, dtype=torch.bool).tril())
    assert_close(y[:, 0], project(state, "out_proj", project(state, "v_proj", x[:, 0])))


def test_multi_head_attention_does_not_know_the_order_of_positions(learner, probe):
    model, _ = loaded(learner, probe)
    x, order = probe.tensor("B T D"), probe.permutation("T")
    assert_close(model(x[:, order]), model(x)[:, order])


def test_multi_head_attention_gives_each_head_features_that_lie_together(learner, probe):
    model, state = loaded(learner, probe)
    x, h, k, v = probe.tensor("B T D"), *probe.shape("H K V")
    head = int(probe.choice(range(h)))
    mine = torch.arange(h * k) // k == head  # (H·K,), the features of one head; the others look at all keys alike
    state["q_proj.weight"], state["q_proj.bias"] = state["q_proj.weight"] * mine[:, None], state["q_proj.bias"] * mine
    model.load_state_dict(state)
    values = project(state, "v_proj", x)  # (B, T, H·V)
    found = values.mean(dim=1, keepdim=True).repeat(1, probe.size("T"), 1)  # (B, T, H·V)
    q, keys = project(state, "q_proj", x)[..., mine], project(state, "k_proj", x)[..., mine]  # (B, T, K)
    weights = torch.softmax(torch.einsum("btk,bsk->bts", q, keys) / math.sqrt(k), dim=-1)  # (B, T, T)
    found[..., head * v : (head + 1) * v] = weights @ values[..., head * v : (head + 1) * v]
    assert_close(model(x), project(state, "out_proj", found))


@pytest.mark.stage("whole")
def test_multi_head_attention_of_x_to_itself_equals_the_reference(learner, reference, probe):
    model, state = loaded(learner, probe)
    expected, _ = loaded(reference, probe, state)
    x = probe.tensor("B T D")
    assert_close(model(x), expected(x))
    model.eval()
    assert_close(model(x), expected(x), name="the result in evaluation mode")


@pytest.mark.stage("whole")
def test_multi_head_attention_to_memory_equals_the_reference(learner, reference, probe):
    model, state = loaded(learner, probe)
    expected, _ = loaded(reference, probe, state)
    x, memory = probe.tensor("B T D"), probe.tensor("B S D")
    assert_close(model(x, memory=memory), expected(x, memory))


@pytest.mark.stage("whole")
def test_multi_head_attention_without_biases_equals_the_reference(learner, reference, probe):
    model, state = loaded(learner, probe, bias=False)
    expected, _ = loaded(reference, probe, state, bias=False)
    x, memory = probe.tensor("B T D"), probe.tensor("B S D")
    assert_close(model(x, memory), expected(x, memory))


@pytest.mark.stage("whole")
def test_multi_head_attention_broadcasts_masks_of_many_shapes(learner, reference, probe):
    model, state = loaded(learner, probe)
    expected, _ = loaded(reference, probe, state)
    x, memory = probe.tensor("B T D"), probe.tensor("B S D")
    for spec in ("T S", "B 1 T S", "B 1 1 S", "1 H T S", "B H T S", "H T S", "S"):
        mask = random_mask(probe, spec)
        full = mask.expand(probe.shape("B H T S")).clone()
        assert_close(model(x, memory, mask), expected(x, memory, full), name=f"with a mask ({', '.join(spec.split())})")


@pytest.mark.stage("whole")
def test_multi_head_attention_agrees_with_heads_computed_one_by_one(learner, probe):
    for letter, size in (("B", 2), ("T", 3), ("S", 5), ("H", 4)):
        probe.fix(letter, size)
    model, state = loaded(learner, probe)
    x, memory, mask = probe.tensor("B T D"), probe.tensor("B S D"), random_mask(probe, "B H T S")
    assert_close(model(x, memory, mask), head_by_head(state, x, memory, mask, probe.size("H")))


@pytest.mark.stage("whole")
def test_multi_head_attention_agrees_with_pytorch(learner, probe):
    h, width = probe.shape("H K")
    d, names = h * width, ("q_proj", "k_proj", "v_proj", "out_proj")
    shapes = {f"{name}.weight": (d, d) for name in names} | {f"{name}.bias": (d,) for name in names}
    state = random_state(probe, shapes)
    model = learner.MultiHeadAttention(d, h)
    model.load_state_dict(state)
    oracle = torch.nn.MultiheadAttention(d, h, batch_first=True)
    packed = {
        f"in_proj_{part}": torch.cat([state[f"{name}.{part}"] for name in names[:3]]) for part in ("weight", "bias")
    }
    oracle.load_state_dict(packed | {name: state[name] for name in ("out_proj.weight", "out_proj.bias")})
    x, memory, mask = probe.tensor("B T", d), probe.tensor("B S", d), random_mask(probe, "T S")
    expected, _ = oracle(x, memory, memory, attn_mask=~mask)  # there True means "may not"
    assert_close(model(x, memory, mask), expected.detach())


@pytest.mark.stage("whole")
def test_multi_head_attention_lets_gradients_through_to_x_and_memory(learner, reference, probe):
    model, state = loaded(learner, probe)
    expected, _ = loaded(reference, probe, state)
    inputs, dy = [probe.tensor("B T D"), probe.tensor("B S D"), random_mask(probe, "T S")], probe.tensor("B T D")
    _, gradients = learner.vjp("MultiHeadAttention.forward", [model, *inputs], dy)
    _, expected_gradients = reference.vjp("MultiHeadAttention.forward", [expected, *inputs], dy)
    assert_close(gradients[1:3], expected_gradients[1:3], name="the gradients of x and memory")


@pytest.mark.stage("whole")
def test_multi_head_attention_adds_up_the_gradients_of_queries_keys_and_values(learner, reference, probe):
    model, state = loaded(learner, probe)
    expected, _ = loaded(reference, probe, state)
    x, dy = probe.tensor("B T D"), probe.tensor("B T D")
    _, gradients = learner.vjp("MultiHeadAttention.forward", [model, x], dy)
    _, expected_gradients = reference.vjp("MultiHeadAttention.forward", [expected, x], dy)
    assert_close(gradients[1], expected_gradients[1], name="the gradient of x")


@pytest.mark.stage("robust")
def test_multi_head_attention_of_a_query_that_may_attend_nowhere_is_the_last_bias(learner, probe):
    model, state = loaded(learner, probe)
    x, mask = probe.tensor("B T D"), random_mask(probe, "B 1 T T")
    y = model(x, None, mask)
    mask[:, :, -1] = False
    expected = torch.cat([y[:, :-1], state["out_proj.bias"].repeat(len(x), 1, 1)], dim=1)  # (B, T, D)
    assert_close(model(x, None, mask), expected)


@pytest.mark.stage("robust")
def test_multi_head_attention_to_a_memory_as_long_as_x(learner, reference, probe):
    model, state = loaded(learner, probe)
    expected, _ = loaded(reference, probe, state)
    x, memory = probe.tensor("B T D"), probe.tensor("B T D")
    assert_close(model(x, memory), expected(x, memory))


@pytest.mark.stage("robust")
def test_multi_head_attention_works_in_float64_too(learner, reference, probe):
    model, state = loaded(learner, probe)
    expected, _ = loaded(reference, probe, state)
    x, memory = probe.tensor("B T D", dtype=torch.float64), probe.tensor("B S D", dtype=torch.float64)
    y, wanted = model.double()(x, memory), expected.double()(x, memory)
    assert_shape(y, x.shape, torch.float64)
    assert_close(y.float(), wanted.float())


@pytest.mark.stage("robust")
def test_multi_head_attention_of_sizes_one(learner, reference, probe):
    for b, t, s, d, h, k, v in ((1, 3, 2, 5, 7, 2, 3), (3, 1, 2, 5, 7, 2, 3), (3, 2, 1, 5, 7, 2, 3), (2, 3, 5, 7, 1, 2, 3),
                                (2, 3, 5, 7, 2, 1, 3), (2, 3, 5, 7, 2, 3, 1)):  # fmt: skip
        model = learner.MultiHeadAttention(d, h, key_width=k, value_width=v)
        expected = reference.MultiHeadAttention(d, h, key_width=k, value_width=v)
        state = random_state(probe, {name: tuple(value.shape) for name, value in expected.state_dict().items()})
        model.load_state_dict(state)
        expected.load_state_dict(state)
        x, memory = probe.tensor(b, t, d), probe.tensor(b, s, d)
        assert_close(model(x), expected(x))
        assert_close(model(x, memory), expected(x, memory))


@pytest.mark.stage("robust")
def test_multi_head_attention_refuses_heads_that_cannot_share_the_model_width(learner, probe):
    k, v = probe.shape("K V")
    for options in ({}, {"key_width": k}, {"value_width": v}):
        with pytest.raises(ValueError):
            learner.MultiHeadAttention(7, 3, **options)


@pytest.mark.stage("shape")
def test_attention_backward_returns_gradients_shaped_like_q_k_and_v(learner, probe):
    for dtype in (torch.float32, torch.float64):
        inputs = qkv(probe, dtype=dtype)
        gradients = learner.attention_backward(probe.tensor("B H T V", dtype=dtype), *inputs)
        assert isinstance(gradients, tuple | list) and len(gradients) == 3, "attention_backward returns three gradients"
        for name, gradient, given in zip(("dq", "dk", "dv"), gradients, inputs, strict=True):
            assert_shape(gradient, given.shape, dtype, name=name)


def test_attention_backward_weighs_dv_as_the_output_was_weighed(learner, reference, probe):
    q, k, v = qkv(probe)
    dy = torch.zeros(probe.shape("B H T V"))
    dy[:, :, -1] = probe.tensor("B H V")
    _, weights = reference.scaled_dot_product_attention(q, k, v)
    _, _, dv = learner.attention_backward(dy, q, k, v)
    assert_close(dv, weights[:, :, -1, :, None] * dy[:, :, -1, None, :])


def test_attention_backward_adds_dv_up_over_the_queries(learner, probe):
    q, k, v = qkv(probe)
    dy = probe.tensor("B H T V")
    _, _, dv = learner.attention_backward(dy, torch.zeros_like(q), k, v)  # all weights are 1 / S
    expected = dy.sum(dim=2, keepdim=True) / probe.size("S")  # (B, H, 1, V)
    assert_close(dv, expected.repeat(1, 1, probe.size("S"), 1))


def test_attention_backward_of_two_keys_is_that_of_a_sigmoid(learner, probe):
    q, k, v = probe.tensor("B 1 K"), probe.tensor("B 2 K"), probe.tensor("B 2 V")
    dy, root = probe.tensor("B 1 V"), math.sqrt(probe.size("K"))
    weight = torch.sigmoid((q[:, 0] * (k[:, 1] - k[:, 0])).sum(dim=-1) / root)  # (B,), that of key 1
    slope = weight * (1.0 - weight) * (dy[:, 0] * (v[:, 1] - v[:, 0])).sum(dim=-1)  # (B,), the gradient of its score
    dq, dk, _ = learner.attention_backward(dy, q, k, v)
    assert_close(dq[:, 0], slope[:, None] * (k[:, 1] - k[:, 0]) / root, name="dq")
    assert_close(dk[:, 1], slope[:, None] * q[:, 0] / root, name="dk of key 1")
    assert_close(dk[:, 0], -slope[:, None] * q[:, 0] / root, name="dk of key 0")


def test_attention_backward_leaves_q_and_k_alone_where_all_values_are_equal(learner, probe):
    q, k, _ = qkv(probe)
    v = probe.tensor("B H 1 V").repeat(1, 1, probe.size("S"), 1)
    dq, dk, _ = learner.attention_backward(probe.tensor("B H T V"), q, k, v)
    assert dq.abs().max() < 1e-3 and dk.abs().max() < 1e-3, "dq and dk are zero: no weight changes the output"


def test_attention_backward_of_queries_without_a_gradient_sends_them_none(learner, probe):
    q, k, v = qkv(probe)
    dy = probe.tensor("B H T V")
    dy[:, :, 1:] = 0.0
    dq, dk, dv = learner.attention_backward(dy, q, k, v)
    assert_close(dq[:, :, 1:], torch.zeros_like(q[:, :, 1:]), name="dq of the other queries")
    alone = learner.attention_backward(dy[:, :, :1].clone(), q[:, :, :1].clone(), k, v)
    assert_close((dq[:, :, :1], dk, dv), tuple(alone), name="the rest")


def test_attention_backward_gives_a_masked_key_no_gradient(learner, probe):
    q, k, v = qkv(probe)
    mask = random_mask(probe, "B H T S")
    mask[..., -1] = False
    _, dk, dv = learner.attention_backward(probe.tensor("B H T V"), q, k, v, mask)
    assert_close(dk[:, :, -1], torch.zeros_like(k[:, :, -1]), name="dk of the key that nobody may see")
    assert_close(dv[:, :, -1], torch.zeros_like(v[:, :, -1]), name="dv of the key that nobody may see")


def test_attention_backward_of_the_first_query_under_a_causal_mask(learner, probe):
    t = probe.size("T")
    q, k, v, dy = probe.tensor("B T K"), probe.tensor("B T K"), probe.tensor("B T V"), probe.tensor("B T V")
    dy[:, 1:] = 0.0
    dq, dk, dv = learner.attention_backward(dy, q, k, v, mask=torch.ones(t, t, dtype=torch.bool).tril())
    assert dq.abs().max() < 1e-3 and dk.abs().max() < 1e-3, "dq and dk are zero: the only weight is always 1"
    assert_close(dv, dy, name="dv")


def test_attention_backward_of_a_case_computed_by_hand(learner):
    half = math.log(3.0) / 2.0
    q, k = torch.tensor([[1.0], [-1.0]]).repeat(1, 4), torch.tensor([[0.0], [half]]).repeat(1, 4)  # ¼ and ¾, ¾ and ¼
    dq, dk, dv = learner.attention_backward(torch.tensor([[16.0], [32.0]]), q, k, torch.tensor([[1.0], [3.0]]))
    assert_close(dv, torch.tensor([[28.0], [20.0]]), name="dv")
    assert_close(dk, torch.tensor([[3.0], [-3.0]]).repeat(1, 4), name="dk")
    assert_close(dq, torch.tensor([[3.0 * half], [6.0 * half]]).repeat(1, 4), name="dq")


@pytest.mark.stage("whole")
def test_attention_backward_equals_the_reference(learner, reference, probe):
    q, k, v = qkv(probe)
    dy = probe.tensor("B H T V")
    for mask in (None, random_mask(probe, "B H T S")):
        assert_close(learner.attention_backward(dy, q, k, v, mask), reference.attention_backward(dy, q, k, v, mask))
    inputs, mask, dy = small_case(probe)
    assert_close(learner.attention_backward(dy, *inputs, mask), reference.attention_backward(dy, *inputs, mask))


@pytest.mark.stage("whole")
def test_attention_backward_agrees_with_autograd(learner, reference, probe):
    inputs, dy = [*qkv(probe), random_mask(probe, "B H T S")], probe.tensor("B H T V")
    _, expected = reference.vjp("scaled_dot_product_attention", inputs, (dy, None))
    assert_close(learner.attention_backward(dy, *inputs), tuple(expected[:3]))


@pytest.mark.stage("whole")
def test_attention_backward_does_without_autograd(learner, reference, probe):
    inputs, dy = [*qkv(probe), random_mask(probe, "B H T S")], probe.tensor("B H T V")
    unrecorded = learner.library("torch").inference_mode()(learner.attention_backward)
    assert_close(unrecorded(dy, *inputs), reference.attention_backward(dy, *inputs))


@pytest.mark.stage("whole")
def test_attention_backward_gives_the_slopes_of_attention(learner, reference, probe):
    inputs, mask, dy = small_case(probe)
    for given in (None, mask):
        gradients = learner.attention_backward(dy, *inputs, given)

        def output(*values, given=given):
            return reference.scaled_dot_product_attention(*values, given)[0]

        assert_gradients(output, inputs, list(gradients), dy, names=("q", "k", "v"))


@pytest.mark.stage("whole")
def test_attention_backward_broadcasts_masks_of_many_shapes(learner, reference, probe):
    q, k, v = qkv(probe)
    dy = probe.tensor("B H T V")
    for spec in ("T S", "B 1 T S", "B 1 1 S", "1 H T S", "H 1 S", "S"):
        mask = random_mask(probe, spec)
        expected = reference.attention_backward(dy, q, k, v, mask.expand(probe.shape("B H T S")).clone())
        assert_close(learner.attention_backward(dy, q, k, v, mask), expected)


@pytest.mark.stage("whole")
def test_attention_backward_takes_any_number_of_leading_axes(learner, reference, probe):
    for lead in (*LEADS, "2 B H "):
        inputs, dy = [*qkv(probe, lead), random_mask(probe, "T S")], probe.tensor(lead + "T V")
        assert_close(learner.attention_backward(dy, *inputs), reference.attention_backward(dy, *inputs))


@pytest.mark.stage("robust")
def test_attention_backward_through_a_query_that_may_attend_nowhere_is_zero(learner, probe):
    q, k, v = qkv(probe, "B ")
    mask, dy = random_mask(probe, "B T S"), probe.tensor("B T V")
    mask[:, 0] = False
    dq, dk, dv = learner.attention_backward(dy, q, k, v, mask)
    rest = [x[:, 1:].clone() for x in (dy, q, mask)]
    expected = learner.attention_backward(rest[0], rest[1], k, v, rest[2])
    assert_close(dq, torch.cat([torch.zeros_like(q[:, :1]), expected[0]], dim=1), name="dq")
    assert_close((dk, dv), tuple(expected[1:]), name="dk and dv")


@pytest.mark.stage("robust")
def test_attention_backward_survives_huge_scores(learner, probe):
    q, k, best, second = one_winner(probe)
    v, dy = probe.tensor("S V"), probe.tensor("T V")
    for mask, winner in ((None, best), (one_hot(best, probe.size("S")) == 0, second)):
        dq, dk, dv = learner.attention_backward(dy, q, k, v, mask)
        assert dq.abs().max() < 0.1 and dk.abs().max() < 0.1, "dq and dk are zero, up to rounding: no weight moves"
        assert_close(dv, one_hot(winner, probe.size("S")).T @ dy, name="dv")


@pytest.mark.stage("robust")
def test_attention_backward_of_sizes_one(learner, reference, probe):
    for t, s, k_width, v_width in ((1, 5, 3, 2), (5, 3, 1, 2), (5, 3, 2, 1)):
        inputs = probe.tensor(2, t, k_width), probe.tensor(2, s, k_width), probe.tensor(2, s, v_width)
        dy = probe.tensor(2, t, v_width)
        assert_close(learner.attention_backward(dy, *inputs), reference.attention_backward(dy, *inputs))


@pytest.mark.stage("robust")
def test_attention_backward_of_a_single_key(learner, probe):
    dy = probe.tensor("B T V")
    dq, dk, dv = learner.attention_backward(dy, probe.tensor("B T K"), probe.tensor("B 1 K"), probe.tensor("B 1 V"))
    assert dq.abs().max() < 1e-3 and dk.abs().max() < 1e-3, "dq and dk are zero: the only weight is always 1"
    assert_close(dv, dy.sum(dim=1, keepdim=True), name="dv")
