"""Hidden checks of doing the same with less. What is counted, operations, calls, tensors kept, is counted where the code runs."""

import inspect

import pytest
import torch

from autograder.testing import assert_close, assert_gradients, assert_shape, made, there

F64 = torch.float64


# vectorize_me


BY_STEPS = "lambda a, b: (a - b).abs().sum(-1)"
SQUARED = "lambda a, b: (a - b).square().sum(-1)"


def by_steps(a, b):
    return (a - b).abs().sum(-1)


def squared(a, b):
    return (a - b).square().sum(-1)


def silhouettes(x, labels, distance):
    """One row after the other, as the definition says."""
    found = []
    for i, own in enumerate(labels.tolist()):
        others = {}
        for j, label in enumerate(labels.tolist()):
            if j != i:
                others.setdefault(label, []).append(distance(x[i], x[j]))
        means = {label: sum(values) / len(values) for label, values in others.items()}
        a, b = means.get(own), min(mean for label, mean in means.items() if label != own)
        found.append(0.0 * x[i, 0] if a is None else (b - a) / max(a, b))
    return torch.stack(found)


def clustered(probe, *sizes, dtype=F64):
    """Rows, and a cluster for each, so many in each cluster and in no order."""
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    labels = labels[torch.from_numpy(probe.permutation(len(labels)))]
    return probe.tensor(len(labels), probe.size("D"), dtype=dtype), labels


def counted(vectorize_me, x, labels, clusters):
    """The silhouettes, and how often the distance, |a - b|, was asked for."""
    calls = []

    def distance(a, b):
        calls.append(a)
        return (a - b).abs().sum(-1)

    return vectorize_me(x, labels, clusters, distance), len(calls)


@pytest.mark.visible
@pytest.mark.stage("shape")
def test_vectorize_me_asks_for_the_distances_once(learner):
    x, labels = torch.tensor([[0.0], [1.0], [4.0], [6.0], [1.0]], dtype=F64), torch.tensor([0, 0, 1, 1, 2])
    got, calls = there(learner, counted)(learner.vectorize_me, x, labels, 3)
    assert calls == 1, f"`distance` is called once for all rows, not {calls} times"
    assert_close(got, torch.tensor([0.0, -1.0, 1.0 / 3.0, 0.6, 0.0], dtype=F64))


def test_vectorize_me_gives_a_number_for_each_row(learner, probe):
    for dtype in (torch.float32, F64):
        x, labels = clustered(probe, 4, 3, dtype=dtype)
        assert_shape(learner.vectorize_me(x, labels, 2, made(learner, BY_STEPS)), (7,), dtype)


def test_vectorize_me_of_two_clusters(learner, probe):
    x, labels = clustered(probe, 5, 3)
    assert_close(learner.vectorize_me(x, labels, 2, made(learner, BY_STEPS)), silhouettes(x, labels, by_steps))


def test_vectorize_me_looks_for_the_next_of_several_clusters(learner, probe):
    x, labels = clustered(probe, 2, 6, 3, 4)
    assert_close(learner.vectorize_me(x, labels, 4, made(learner, SQUARED)), silhouettes(x, labels, squared))


def test_vectorize_me_gives_a_row_that_is_alone_zero(learner, probe):
    x, labels = clustered(probe, 1, 4, 1, 3)
    got = learner.vectorize_me(x, labels, 4, made(learner, BY_STEPS))
    assert_close(got, silhouettes(x, labels, by_steps))
    assert_close(got[(labels == 0) | (labels == 2)], torch.zeros(2, dtype=F64), name="the two that are alone")


def test_vectorize_me_takes_an_empty_cluster_for_nobodys_next(learner, probe):
    x, labels = clustered(probe, 0, 4, 0, 3, 2, 0)
    expected = silhouettes(x, labels, by_steps)
    for scale in (1.0, 1e12):  # silhouettes have no unit
        got = learner.vectorize_me(scale * x, labels, 6, made(learner, BY_STEPS))
        assert_close(got, expected, name=f"the silhouettes of rows that are about {scale:g} apart")


def test_vectorize_me_gives_rows_in_one_place_one(learner, probe):
    x, labels = clustered(probe, 3, 4, 1)
    x[labels == 0] = x[labels == 0][:1].clone()
    got = learner.vectorize_me(x, labels, 3, made(learner, BY_STEPS))
    assert_close(got[labels == 0], torch.ones(3, dtype=F64), name="those of a cluster whose rows are all equal")
    assert_close(got, silhouettes(x, labels, by_steps))


def operations_of(function, *inputs):
    """How many of PyTorch's operations it asks for, and the value. To read a shape or a dtype is none."""
    from torch.overrides import TorchFunctionMode

    counted = []

    class Count(TorchFunctionMode):
        def __torch_function__(self, operation, types, args=(), kwargs=None):
            counted.append(getattr(operation, "__name__", ""))
            return operation(*args, **(kwargs or {}))

    with Count():
        value = function(*inputs)
    return len([name for name in counted if name != "__get__"]), value


def test_vectorize_me_needs_few_operations_however_many_rows_and_clusters(learner, probe):
    for sizes in ((3, 2), (2,) * 25):
        x, labels = clustered(probe, *sizes)
        given = learner.vectorize_me, x, labels, len(sizes), made(learner, BY_STEPS)
        count, value = there(learner, operations_of)(*given)
        assert count <= 60, f"for {len(x)} rows in {len(sizes)} clusters it takes {count} operations, allowed are 60"
        assert_close(value, silhouettes(x, labels, by_steps))


def lines_of(function, *inputs):
    """How many lines of Python it runs through, each turn of a loop counted, and the value. It runs once before."""
    import contextlib
    import sys

    counted = 0

    def trace(frame, event, argument):
        nonlocal counted
        counted += event in ("line", "call")
        return trace

    function(*inputs)
    with contextlib.ExitStack() as afterwards:
        afterwards.callback(sys.settrace, sys.gettrace())
        sys.settrace(trace)
        value = function(*inputs)
    return counted, value


def test_vectorize_me_runs_no_loop_in_python(learner, probe):
    counts = []
    for sizes in ((3, 2), (2,) * 25):
        x, labels = clustered(probe, *sizes)
        given = learner.vectorize_me, x, labels, len(sizes), made(learner, BY_STEPS)
        count, value = there(learner, lines_of)(*given)
        counts.append(count)
        assert_close(value, silhouettes(x, labels, by_steps))
    few, many = counts
    assert many < few + 15, f"{few} lines of Python run for 5 rows in 2 clusters, and {many} for 50 rows in 25"


@pytest.mark.stage("whole")
def test_vectorize_me_equals_the_reference(learner, reference, probe):
    x, labels = clustered(probe, 3, 1, 0, 7, 2)
    for text in (BY_STEPS, SQUARED):
        for dtype in (F64, torch.float32):
            given = x.to(dtype), labels, 5
            got = learner.vectorize_me(*given, made(learner, text))
            assert_close(got, reference.vectorize_me(*given, made(reference, text)))


@pytest.mark.stage("whole")
def test_vectorize_me_sends_gradients_back_to_x(learner, probe):
    x, labels = clustered(probe, 3, 1, 2)
    dy = probe.tensor(6, dtype=F64)
    _, (dx, *_) = learner.vjp("vectorize_me", [x, labels, 3, made(learner, SQUARED)], dy)
    assert_gradients(lambda x: silhouettes(x, labels, squared), [x], [dx], dy)


@pytest.mark.stage("robust")
def test_vectorize_me_sends_gradients_back_when_a_cluster_is_empty(learner, probe):
    x, labels = clustered(probe, 3, 0, 2)
    dy = probe.tensor(5, dtype=F64)
    _, (dx, *_) = learner.vjp("vectorize_me", [x, labels, 4, made(learner, SQUARED)], dy)
    assert_gradients(lambda x: silhouettes(x, labels, squared), [x], [dx], dy)


# accumulate_gradients


MSE = "lambda output, y: (output - y).square().mean()"
ONE_SIDED = "lambda output, y: (output - 2.0 * y).square().mean()"  # output and targets cannot be exchanged


def network(state):
    """A linear layer, a tanh and another linear layer."""
    import torch

    (m, d), (c, _) = state["0.weight"].shape, state["2.weight"].shape
    model = torch.nn.Sequential(torch.nn.Linear(d, m), torch.nn.Tanh(), torch.nn.Linear(m, c)).double()
    model.load_state_dict(state)
    return model


def weights(probe):
    shapes = {"0.weight": "M D", "0.bias": "M", "2.weight": "C M", "2.bias": "C"}
    return {name: 0.5 * probe.tensor(shape, dtype=F64) for name, shape in shapes.items()}


def output(state, x):
    """What `network` computes, written out."""
    return torch.tanh(x @ state["0.weight"].T + state["0.bias"]) @ state["2.weight"].T + state["2.bias"]


def batches_of(probe, *sizes, middle=()):
    """Pairs (x, y) of so many rows."""
    shape = [(rows, *middle) for rows in sizes]
    return [tuple(probe.tensor(*rows, probe.size(letter), dtype=F64) for letter in "DC") for rows in shape]


def descended(state, groups, lr):
    """Gradient descent with a step for each group of batches, all rows of it at once: the last state, the losses."""
    losses = []
    for group in groups:
        x, y = (torch.cat(parts) for parts in zip(*group, strict=True))
        leaves = {name: value.clone().requires_grad_() for name, value in state.items()}
        loss = (output(leaves, x) - y).square().mean()
        gradients = torch.autograd.grad(loss, list(leaves.values()))
        state = {name: (leaf - lr * g).detach() for (name, leaf), g in zip(leaves.items(), gradients, strict=True)}
        losses.append(loss.item())
    return state, losses


def sgd(module, model, lr, **options):
    return module.library("torch").optim.SGD(model.parameters(), lr=lr, **options)


def accumulated(learner, state, batches, every, lr=0.3):
    """The state after training, and the losses."""
    model = there(learner, network)(state)
    losses = learner.accumulate_gradients(model, made(learner, MSE), batches, sgd(learner, model, lr), every)
    return dict(model.state_dict()), losses


@pytest.mark.visible
@pytest.mark.stage("shape")
def test_accumulate_gradients_of_a_case_computed_by_hand(learner):
    model = learner.library("torch").nn.Linear(1, 1, bias=False)
    model.load_state_dict({"weight": torch.tensor([[1.0]])})
    batches = [(torch.tensor([[1.0], [2.0]]), torch.zeros(2, 1)), (torch.tensor([[1.0]]), torch.zeros(1, 1))]
    losses = learner.accumulate_gradients(model, made(learner, MSE), batches, sgd(learner, model, 0.125), every=2)
    assert isinstance(losses, list) and len(losses) == 1, "two batches make one step, with one loss"
    assert_close(torch.tensor(losses), torch.tensor([2.0]), name="the losses")  # (1 + 4 + 1) / 3
    assert_close(model.weight.item(), 0.5, name="the weight")  # 1 - 0.125 · (2 + 8 + 2) / 3


def test_accumulate_gradients_of_equal_batches_steps_like_one_large_batch(learner, probe):
    state, batches = weights(probe), batches_of(probe, 3, 3, 3)
    assert_close(accumulated(learner, state, batches, 3), descended(state, [batches], 0.3), name="(parameters, losses)")


def test_accumulate_gradients_counts_every_row_the_same(learner, probe):
    state, batches = weights(probe), batches_of(probe, 7, 1, 3)
    assert_close(accumulated(learner, state, batches, 3), descended(state, [batches], 0.3), name="(parameters, losses)")


def test_accumulate_gradients_takes_a_step_for_every_few_batches(learner, probe):
    state, batches = weights(probe), batches_of(probe, 4, 2, 5, 1, 3, 3)
    expected = descended(state, [batches[:2], batches[2:4], batches[4:]], 0.3)
    assert_close(accumulated(learner, state, batches, 2), expected, name="(parameters, losses)")


def test_accumulate_gradients_takes_a_last_step_with_what_is_left(learner, probe):
    state, batches = weights(probe), batches_of(probe, 4, 2, 3, 5, 1)
    for count in (5, 4):
        expected = descended(state, [batches[:3], batches[3:count]], 0.3)
        name = f"(parameters, losses) of {count} batches, three for each step"
        assert_close(accumulated(learner, state, batches[:count], 3), expected, name=name)


def test_accumulate_gradients_makes_one_step_of_many_batches(learner, probe):
    state, batches = weights(probe), batches_of(probe, *[1, 2] * 20)
    expected = descended(state, [batches], 0.3)
    assert_close(accumulated(learner, state, batches, 40), expected, name="(parameters, losses)")


def test_accumulate_gradients_starts_without_the_gradients_that_were_there(learner, probe):
    state, batches = weights(probe), batches_of(probe, 4, 2)
    model = there(learner, network)(state)
    made(learner, "lambda model: model(model[0].weight.detach()).sum().backward()")(model)
    learner.accumulate_gradients(model, made(learner, MSE), batches, sgd(learner, model, 0.3), 2)
    assert_close(dict(model.state_dict()), descended(state, [batches], 0.3)[0], name="the parameters")


def told_by(train, model, batches, optimizer, every):
    """What happens, in its order: a batch is read, the model runs, the loss is computed and walked back, a step is taken."""
    told = []

    def stream():
        for batch in batches:
            told.append("read")
            yield batch

    def loss_function(output, y):
        loss = (output - y).square().mean()
        loss.register_hook(lambda gradient: told.append("back"))
        told.append("loss")
        return loss

    model.register_forward_hook(lambda *given: told.append("run"))
    optimizer.register_step_post_hook(lambda *given: told.append("step"))
    train(model, loss_function, stream(), optimizer, every)
    return told


def happened(learner, probe, count, every):
    model = there(learner, network)(weights(probe))
    given = model, batches_of(probe, *[3] * count), sgd(learner, model, 0.3), every
    return there(learner, told_by)(learner.accumulate_gradients, *given)


def test_accumulate_gradients_walks_each_batch_back_before_the_next(learner, probe):
    told = [what for what in happened(learner, probe, 5, 2) if what != "read"]
    batch = ["run", "loss", "back"]
    expected = [*batch, *batch, "step", *batch, *batch, "step", *batch, "step"]
    assert_close(told, expected, name="what happens, one after the other")


def test_accumulate_gradients_reads_no_further_ahead_than_a_step(learner, probe):
    for every in (1, 3):
        told, read, done = happened(learner, probe, 7, every), 0, 0
        for what in told:
            read, done = read + (what == "read"), done + (what == "loss")
            assert read - done <= every, f"{read} batches are read while {done} have been used, and a step has {every}"


@pytest.mark.stage("whole")
def test_accumulate_gradients_equals_the_reference_with_momentum(learner, reference, probe):
    state, batches = weights(probe), batches_of(probe, 2, 5, 1, 4, 3)

    def run(module):
        model = there(module, network)(state)
        optimizer = sgd(module, model, 0.1, momentum=0.9, weight_decay=0.1)
        losses = module.accumulate_gradients(model, made(module, ONE_SIDED), batches, optimizer, every=2)
        return losses, dict(model.state_dict())

    assert_close(run(learner), run(reference), name="(losses, parameters)")


@pytest.mark.stage("robust")
def test_accumulate_gradients_counts_rows_and_not_entries(learner, probe):
    state, batches = weights(probe), batches_of(probe, 4, 1, middle=(3,))
    assert_close(accumulated(learner, state, batches, 5), descended(state, [batches], 0.3), name="(parameters, losses)")


@pytest.mark.stage("robust")
def test_accumulate_gradients_with_every_batch_a_step_of_its_own(learner, probe):
    state, batches = weights(probe), batches_of(probe, 4, 1, 2)
    expected = descended(state, [[batch] for batch in batches], 0.3)
    assert_close(accumulated(learner, state, batches, 1), expected, name="(parameters, losses)")


@pytest.mark.stage("robust")
def test_accumulate_gradients_takes_no_step_without_batches(learner, probe):
    state = weights(probe)
    assert_close(accumulated(learner, state, [], 2), (state, []), name="(parameters, losses)")
    assert_close(happened(learner, probe, 4, 2).count("step"), 2, name="the steps of four batches, two for each")


@pytest.mark.stage("robust")
def test_accumulate_gradients_leaves_frozen_parameters_alone(learner, probe):
    state, batches = weights(probe), batches_of(probe, 4, 1, 2)
    model = there(learner, network)(state)
    model[0].requires_grad_(False)
    learner.accumulate_gradients(model, made(learner, MSE), batches, sgd(learner, model, 0.3), 2)
    expected, _ = descended(state, [batches[:2]], 0.3)
    halfway = {name: state[name] if name.startswith("0") else expected[name] for name in state}
    expected, _ = descended(halfway, [batches[2:]], 0.3)
    after = {name: state[name] if name.startswith("0") else expected[name] for name in state}
    assert_close(dict(model.state_dict()), after, name="the parameters")


# checkpoint_segments


def stack(state, drop=0.0):
    """Seven layers: linear, tanh with dropout, linear, dropout, tanh, linear, tanh."""
    import torch

    (m, d), (k, _), (c, _) = (state[name].shape for name in ("0.weight", "2.weight", "5.weight"))
    nn = torch.nn
    first = nn.Sequential(nn.Tanh(), nn.Dropout(drop))
    layers = nn.Linear(d, m), first, nn.Linear(m, k), nn.Dropout(drop), nn.Tanh(), nn.Linear(k, c), nn.Tanh()
    model = nn.Sequential(*layers).to(state["0.weight"].dtype)
    model.load_state_dict(state)
    return model


def stack_state(probe, dtype=F64):
    shapes = {"0.weight": "M D", "0.bias": "M", "2.weight": "K M", "2.bias": "K", "5.weight": "C K", "5.bias": "C"}
    return {name: 0.7 * probe.tensor(shape, dtype=dtype) for name, shape in shapes.items()}


def plainly(layers, x, segments):
    """What `checkpoint_segments` stands for."""
    return layers(x)


def walked_back(run, layers, x, dy, segments, x_requires=True):
    """The value, and the gradients of x and of the parameters by name."""
    x = x.detach().clone().requires_grad_(x_requires)
    y = run(layers, x, segments)
    y.backward(dy)
    return y.detach(), x.grad, {name: parameter.grad for name, parameter in layers.named_parameters()}


def still_requires_none(run, layers, x, segments):
    """Whether x, which requires no gradient, requires none after both ways either."""
    run(layers, x, segments).sum().backward()
    return not x.requires_grad and x.grad is None


def checkpointed(learner, state, x, dy, segments, x_requires=True):
    layers = there(learner, stack)(state)
    return there(learner, walked_back)(learner.checkpoint_segments, layers, x, dy, segments, x_requires)


def question(probe, dtype=F64):
    return stack_state(probe, dtype), probe.tensor("B D", dtype=dtype), probe.tensor("B C", dtype=dtype)


@pytest.mark.stage("shape")
def test_checkpoint_segments_computes_what_the_layers_compute(learner, probe):
    for dtype in (torch.float32, F64):
        state, x, _ = question(probe, dtype)
        for segments in (1, 3):
            got = learner.checkpoint_segments(there(learner, stack)(state), x, segments)
            assert_close(got, stack(state)(x).detach(), name=f"the output with {segments} segments")


def test_checkpoint_segments_gives_the_gradient_of_x(learner, probe):
    state, x, dy = question(probe)
    _, dx, _ = checkpointed(learner, state, x, dy, 3)
    assert_close(dx, walked_back(plainly, stack(state), x, dy, 3)[1], name="the gradient of x")


def test_checkpoint_segments_gives_the_gradients_of_the_parameters(learner, probe):
    state, x, dy = question(probe)
    expected = walked_back(plainly, stack(state), x, dy, 2)[2]
    for x_requires in (True, False):
        *_, gradients = checkpointed(learner, state, x, dy, 2, x_requires)
        assert_close(gradients, expected, name=f"the gradients when x requires {'one' if x_requires else 'none'}")


def asked_for(run, layers, x, dy, segments):
    """Gradients that are asked for, not written to `.grad`."""
    import torch

    x = x.detach().clone().requires_grad_()
    gradients = torch.autograd.grad(run(layers, x, segments), [x, *layers.parameters()], dy)
    return gradients, [parameter.grad for parameter in layers.parameters()]


def test_checkpoint_segments_gives_the_gradients_that_are_asked_for(learner, probe):
    state, x, dy = question(probe)
    got = there(learner, asked_for)(learner.checkpoint_segments, there(learner, stack)(state), x, dy, 3)
    assert_close(got, asked_for(plainly, stack(state), x, dy, 3), name="(gradients, what is in .grad)")


def course_of(run, count, x, segments):
    """Of so many layers of tanh: which run on the way forward; which outputs are kept then; what happens on the way back."""
    import torch
    from torch.multiprocessing.reductions import StorageWeakRef

    happened, outputs = [], []

    def watch(place):
        def look(module, inputs, output):
            happened.append(f"run {place}")
            outputs.append((place, StorageWeakRef(output.untyped_storage())))
            if output.requires_grad:
                output.register_hook(lambda gradient: happened.append(f"back {place}"))

        return look

    layers = torch.nn.Sequential(*[torch.nn.Tanh() for _ in range(count)])
    for place, layer in enumerate(layers):
        layer.register_forward_hook(watch(place))
    y = run(layers, x.detach().clone().requires_grad_(), segments)
    forward, kept = happened[:], [place for place, storage in outputs if not storage.expired()]
    happened.clear()
    y.sum().backward()
    return forward, kept, happened


def course(learner, probe, count, segments):
    return there(learner, course_of)(learner.checkpoint_segments, count, probe.tensor("B D"), segments)


def test_checkpoint_segments_keeps_the_inputs_of_segments_and_nothing_else(learner, probe):
    for segments in (1, 2, 3):
        forward, kept, _ = course(learner, probe, 6, segments)
        assert_close(forward, [f"run {place}" for place in range(6)], name="what runs on the way forward")
        length = 6 // segments
        assert_close(kept, list(range(length - 1, 6, length)), name=f"whose outputs are kept with {segments} segments")


def test_checkpoint_segments_runs_one_segment_after_the_other_again(learner, probe):
    _, _, back = course(learner, probe, 6, 3)
    again = [[f"run {i}", f"run {i + 1}", f"back {i + 1}", f"back {i}"] for i in (4, 2, 0)]
    assert_close(back, sum(again, []), name="what happens on the way back")


def test_checkpoint_segments_cuts_into_segments_that_differ_by_one_at_most(learner, probe):
    for count, segments in ((7, 2), (7, 3), (7, 4), (7, 5), (7, 6), (11, 4)):
        _, kept, _ = course(learner, probe, count, segments)
        lengths = [end - start for start, end in zip([-1, *kept], kept, strict=False)]
        assert len(lengths) == segments and sum(lengths) == count, f"{count} layers become {segments} segments"
        assert max(lengths) - min(lengths) <= 1, f"{count} layers in {segments} segments have the lengths {lengths}"


def with_seed(run, layers, x, dy, segments, seed):
    """The value, the gradients and what is drawn next, after a random number was drawn between both ways."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        x = x.detach().clone().requires_grad_()
        y = run(layers, x, segments)
        between = torch.rand(2)
        y.backward(dy)
        gradients = {name: parameter.grad for name, parameter in layers.named_parameters()}
        return (y.detach(), x.grad, gradients), (between, torch.rand(2))


def test_checkpoint_segments_draws_the_same_dropout_again(learner, probe):
    (state, x, dy), seed = question(probe), int(probe.integers(1, high=10_000)[0])
    got, drawn = there(learner, with_seed)(
        learner.checkpoint_segments, there(learner, stack)(state, 0.4), x, dy, 3, seed
    )
    expected, expected_draws = with_seed(plainly, stack(state, 0.4), x, dy, 3, seed)
    assert_close(got, expected, name="(output, gradient of x, gradients)")
    assert_close(drawn, expected_draws, name="what is drawn between the two ways, and after")


@pytest.mark.stage("whole")
def test_checkpoint_segments_equals_the_reference(learner, reference, probe):
    state, x, dy = question(probe)
    for segments in (1, 4, 7):
        got, expected = (
            there(module, walked_back)(module.checkpoint_segments, there(module, stack)(state), x, dy, segments)
            for module in (learner, reference)
        )
        assert_close(got, expected, name=f"(output, gradients) with {segments} segments")


@pytest.mark.stage("whole")
def test_checkpoint_segments_gives_the_slopes_that_are_measured(learner, probe):
    state, x, dy = question(probe)
    _, dx, gradients = checkpointed(learner, state, x, dy, 3)
    names = list(state)

    def value(x, *values):
        a, b, c, d, e, f = values
        return (((x @ a.T + b).tanh() @ c.T + d).tanh() @ e.T + f).tanh()

    given = [x, *state.values()]
    assert_gradients(value, given, [dx, *(gradients[name] for name in names)], dy, names=["x", *names])


@pytest.mark.stage("robust")
def test_checkpoint_segments_with_frozen_parameters(learner, probe):
    state, x, dy = question(probe)
    _, dx, expected = walked_back(plainly, stack(state), x, dy, 3)
    for frozen, segments in ((2, 2), (0, 7)):
        layers = there(learner, stack)(state)
        layers[frozen].requires_grad_(False)
        _, got_dx, got = there(learner, walked_back)(learner.checkpoint_segments, layers, x, dy, segments)
        wanted = {name: None if name.startswith(str(frozen)) else value for name, value in expected.items()}
        assert_close((got_dx, got), (dx, wanted), name="(gradient of x, gradients)")


@pytest.mark.stage("robust")
def test_checkpoint_segments_with_a_parameter_that_takes_no_part(learner, probe):
    state, x, dy = question(probe)
    _, dx, expected = walked_back(plainly, stack(state), x, dy, 3)
    layers = there(learner, stack)(state)
    spare = "lambda torch, layer: layer.register_parameter('spare', torch.nn.Parameter(torch.ones(2)))"
    made(learner, spare)(learner.library("torch"), layers[1])
    _, got_dx, got = there(learner, walked_back)(learner.checkpoint_segments, layers, x, dy, 3)
    got.pop("1.spare")  # None or zeros
    assert_close((got_dx, got), (dx, expected), name="(gradient of x, gradients of the others)")


@pytest.mark.stage("robust")
def test_checkpoint_segments_leaves_an_x_that_requires_no_gradient(learner, probe):
    state, x, _ = question(probe)
    layers = there(learner, stack)(state)
    assert_close(there(learner, still_requires_none)(learner.checkpoint_segments, layers, x, 2), True)


@pytest.mark.stage("robust")
def test_checkpoint_segments_adds_to_gradients_that_are_there(learner, probe):
    state, x, dy = question(probe)
    layers = there(learner, stack)(state)
    run = there(learner, walked_back)
    run(learner.checkpoint_segments, layers, x, dy, 3)
    *_, twice = run(learner.checkpoint_segments, layers, x, dy, 3)
    expected = walked_back(plainly, stack(state), x, dy, 3)[2]
    assert_close(
        twice, {name: 2.0 * value for name, value in expected.items()}, name="the gradients of two backward passes"
    )


@pytest.mark.stage("robust")
@pytest.mark.parametrize("segments", [0, -2, 8], ids=["none", "fewer than none", "more than layers"])
def test_checkpoint_segments_refuses_what_cannot_be_cut(learner, probe, segments):
    state, x, _ = question(probe)
    with pytest.raises(ValueError):
        learner.checkpoint_segments(there(learner, stack)(state), x, segments)


# to_device


def described(value):
    """What something is made of: kinds, keys and, of a tensor, its device and shape."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.device.type, tuple(value.shape)
    if isinstance(value, dict):
        return {key: described(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value).__name__, [described(item) for item in value]
    return value


def described_after(to_device, described, make, *options):
    """What `to_device` gives, and what was given, described."""
    data = make()
    moved = to_device(data, *options)
    return described(moved), described(data)


def moved(learner, text, *options):
    """What becomes of the data that a text makes."""
    describe = made(
        learner, f"(lambda names: (exec({inspect.getsource(described)!r}, names), names['described'])[1])({{}})"
    )
    make = made(learner, f"(lambda torch, collections: lambda: {text})(__import__('torch'), __import__('collections'))")
    return there(learner, described_after)(learner.to_device, describe, make, *options)


@pytest.mark.stage("shape")
def test_to_device_moves_a_tensor(learner):
    for device in ("meta", learner.library("torch").device("meta")):
        after, before = moved(learner, "torch.ones(2, 3)", device)
        assert_close((after, before), (("meta", (2, 3)), ("cpu", (2, 3))), name="(after, before)")


@pytest.mark.visible
def test_to_device_moves_what_is_nested(learner):
    text = "{'x': [torch.ones(2), torch.ones(3)], 'size': (torch.tensor(1), 7), 'name': 'a'}"
    after, _ = moved(learner, text, "meta")
    expected = {"x": ("list", [("meta", (2,)), ("meta", (3,))]), "size": ("tuple", [("meta", ()), 7]), "name": "a"}
    assert_close(after, expected)


def test_to_device_goes_as_deep_as_there_is_something(learner):
    after, _ = moved(learner, "[{'a': ({'b': [(torch.ones(5),)]}, [])}, [[[torch.ones(1, 2)]]]]", "meta")
    inner = {"a": ("tuple", [{"b": ("list", [("tuple", [("meta", (5,))])])}, ("list", [])])}
    expected = "list", [inner, ("list", [("list", [("list", [("meta", (1, 2))])])])]
    assert_close(after, expected)


def test_to_device_keeps_values_and_kinds(learner, probe):
    x, y = probe.tensor("N D"), torch.from_numpy(probe.integers("N", high=9))
    got = learner.to_device([x, {"y": y, "mask": y > 4}, (x.double(), None)], "cpu")
    assert_close(got, [x, {"y": y, "mask": y > 4}, (x.double(), None)])
    kinds = made(learner, "lambda data: [type(data).__name__, type(data[1]).__name__, type(data[2]).__name__]")
    assert_close(there(learner, kinds_after)(learner.to_device, kinds), ["list", "dict", "tuple"], name="the kinds")


def kinds_after(to_device, kinds):
    return kinds(to_device([1, {}, ()], "meta"))


def test_to_device_lets_gradients_through(learner, probe):
    x = probe.tensor("N D", dtype=F64)
    slope = "lambda to_device, x: [to_device([x], 'cpu')[0].square().sum().backward(), x.grad][1]"
    got = made(learner, slope)(learner.to_device, x.clone().requires_grad_())
    assert_close(got, 2.0 * x, name="the gradient of a tensor that was brought to a device")


def test_to_device_keeps_the_order_of_keys(learner):
    keys = "lambda to_device: [*to_device({'z': [1.5], 3: 4, 'a': {2: 'b'}, ('t', 1): None}, 'meta')]"
    assert_close(made(learner, keys)(learner.to_device), ["z", 3, "a", ("t", 1)], name="the keys")


def test_to_device_gives_a_named_tuple_of_its_class(learner):
    pair = "collections.namedtuple('Pair', ['image', 'label'])"
    after, _ = moved(learner, f"{pair}(torch.ones(2), [torch.tensor(1), 'b'])", "meta")
    assert_close(after, ("Pair", [("meta", (2,)), ("list", [("meta", ()), "b"])]))


def test_to_device_hands_on_anything_else(learner):
    after, _ = moved(learner, "[1, 2.5, 'text', None, True, b'bytes', 3j]", "meta")
    assert_close(after, ("list", [1, 2.5, "text", None, True, b"bytes", 3j]))
    same = (
        "lambda to_device: [to_device([thing], 'meta')[0] is thing"
        " for thing in ({1, 2}, object(), len, __import__('numpy').ones(2))]"
    )
    names = "whether a set, an object, a function, an array stay the same"
    assert_close(made(learner, same)(learner.to_device), [True] * 4, name=names)


def test_to_device_changes_nothing_that_was_given(learner):
    text = "{'x': [torch.ones(2), {'y': (torch.ones(3),)}], 'n': [1]}"
    _, before = moved(learner, text, "meta")
    expected = {"x": ("list", [("cpu", (2,)), {"y": ("tuple", [("cpu", (3,))])}]), "n": ("list", [1])}
    assert_close(before, expected, name="what was given")
    new = "lambda to_device, data: [to_device(data, 'cpu') is data, to_device(data, 'cpu')[0] is data[0]]"
    assert_close(
        made(learner, new)(learner.to_device, [[1], 2]), [False, False], name="whether lists are the ones given"
    )


def asks(to_device, given, available):
    """What things with a method `to`, here and there in the data, are asked for."""
    import contextlib

    import torch

    asked = []

    class Thing:
        def __init__(self, name):
            self.name = name

        def to(self, device, **options):
            asked.append((self.name, torch.device(device).type))
            return f"{self.name} moved"

    with contextlib.ExitStack() as afterwards:
        afterwards.callback(setattr, torch.cuda.is_available, "__code__", torch.cuda.is_available.__code__)
        torch.cuda.is_available.__code__ = (lambda: True).__code__ if available else (lambda: False).__code__
        found = to_device({"a": Thing("a"), "b": [1, (Thing("b"),)]}, *given)
    return asked, found


def test_to_device_asks_whatever_has_a_method_to(learner):
    expected = [("a", "meta"), ("b", "meta")], {"a": "a moved", "b": [1, ("b moved",)]}
    for available in (False, True):
        got = there(learner, asks)(learner.to_device, ["meta"], available)
        assert_close(got, expected, name="(what was asked for, what came back)")


def test_to_device_without_a_device_takes_the_gpu_if_there_is_one(learner):
    for given in ([], [None]):
        for available, device in ((True, "cuda"), (False, "cpu")):
            asked, _ = there(learner, asks)(learner.to_device, given, available)
            words = f"what is asked for with{'' if available else 'out'} a GPU"
            assert_close(asked, [("a", device), ("b", device)], name=words)


def of_a_subclass():
    """A list, a dict and a tuple of classes of their own, each with a tensor."""
    import collections

    import torch

    class Items(list):
        pass

    class Both(tuple):
        pass

    counts = collections.defaultdict(list, a=torch.ones(1))
    ordered = collections.OrderedDict(b=torch.ones(3))
    return [Items([torch.ones(2)]), counts, ordered, Both([torch.ones(4), 1]), [[torch.ones(5)]]]


def devices_in(to_device, make):
    found, counts, ordered, both, plain = to_device(make(), "meta")
    return [isinstance(found, list), isinstance(counts, dict), isinstance(ordered, dict), isinstance(both, tuple)], [
        tensor.device.type for tensor in (*found, counts["a"], ordered["b"], both[0], plain[0][0])
    ]


@pytest.mark.stage("robust")
def test_to_device_goes_into_lists_dicts_and_tuples_of_a_subclass(learner):
    got = there(learner, devices_in)(learner.to_device, there(learner, of_a_subclass))
    assert_close(got, ([True] * 4, ["meta"] * 5), name="(list, dict, dict, tuple?; the devices of their tensors)")


def packed(to_device):
    """A packed sequence, which is a named tuple with a method `to` of its own."""
    import torch

    sequence = torch.nn.utils.rnn.pack_sequence([torch.ones(3, 2), torch.ones(1, 2)])
    moved = to_device([sequence], "meta")[0]
    return type(moved).__name__, moved.data.device.type, moved.batch_sizes.device.type, moved.batch_sizes.tolist()


@pytest.mark.stage("robust")
def test_to_device_leaves_a_packed_sequence_to_itself(learner):
    got = there(learner, packed)(learner.to_device)
    assert_close(
        got, ("PackedSequence", "meta", "cpu", [2, 1, 1]), name="(kind, device of the data, of the sizes, the sizes)"
    )


@pytest.mark.stage("robust")
def test_to_device_moves_a_module_itself(learner):
    model = learner.library("torch").nn.Linear(2, 3)
    text = "lambda to_device, model: (to_device({'m': model}, 'meta')['m'] is model, model.weight.device.type)"
    got = made(learner, text)(learner.to_device, model)
    assert_close(got, (True, "meta"), name="(the same module?, where its weight is)")


@pytest.mark.stage("whole")
def test_to_device_equals_the_reference(learner, reference, probe):
    n, d = probe.shape("N D")
    text = f"[({{'x': torch.zeros({n}, {d}), 'y': [torch.zeros({n}), 'a', (1, torch.zeros({d}))]}}, None), [torch.zeros({d})]]"
    for options in (["meta"], []):
        assert_close(moved(learner, text, *options), moved(reference, text, *options), name="(after, before)")
