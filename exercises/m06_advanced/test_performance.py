"""Public checks of doing the same with less: run `pytest exercises/m06_advanced/test_performance.py`."""

import inspect

import pytest
import torch

from autograder.testing import assert_close, assert_shape

F64 = torch.float64
BY_STEPS = "lambda a, b: (a - b).abs().sum(-1)"
MSE = "lambda output, y: (output - y).square().mean()"


def made(module, text):
    """A function written as text, made where the module's code runs."""
    return module.library("builtins").eval(text)


def there(module, function):
    """A function of this file, made anew where the module's code runs."""
    source, name = inspect.getsource(function), function.__name__
    return made(module, f"(lambda names: (exec({source!r}, names), names[{name!r}])[1])({{}})")


def rows(*values):
    return torch.tensor(values, dtype=F64)


# With a cluster of one row, and an empty one.
X, LABELS = rows([0.0], [1.0], [4.0], [6.0], [1.0]), torch.tensor([0, 0, 1, 1, 3])
SILHOUETTES = rows(0.0, -1.0, 1.0 / 3.0, 0.6, 0.0)


@pytest.mark.stage("shape")
def test_vectorize_me_asks_for_the_distances_once(learner):
    calls = []

    def distance(a, b):
        calls.append((a.shape, b.shape))
        return (a - b).abs().sum(-1)

    got = learner.vectorize_me(rows([0.0], [1.0], [4.0], [6.0]), torch.tensor([0, 0, 1, 1]), 2, distance)
    assert len(calls) == 1, f"`distance` is called once for all rows, not {len(calls)} times"
    assert_close(got, rows(0.8, 0.75, 3.0 / 7.0, 7.0 / 11.0))


def test_vectorize_me_of_rows_that_are_alone_and_clusters_that_are_empty(learner):
    assert_close(learner.vectorize_me(X, LABELS, 4, made(learner, BY_STEPS)), SILHOUETTES)
    assert_shape(learner.vectorize_me(X.float(), LABELS, 4, made(learner, BY_STEPS)), (5,), torch.float32)


def operations_of(function, *inputs):
    """How many of PyTorch's operations it asks for. To read a shape or a dtype is none."""
    from torch.overrides import TorchFunctionMode

    counted = []

    class Count(TorchFunctionMode):
        def __torch_function__(self, operation, types, args=(), kwargs=None):
            counted.append(getattr(operation, "__name__", ""))
            return operation(*args, **(kwargs or {}))

    with Count():
        function(*inputs)
    return len([name for name in counted if name != "__get__"])


def test_vectorize_me_needs_few_operations_however_many_rows_and_clusters(learner, probe):
    for clusters in (2, 25):
        x, labels = probe.tensor(2 * clusters, probe.size("D"), dtype=F64), torch.arange(2 * clusters) % clusters
        given = learner.vectorize_me, x, labels, clusters, made(learner, BY_STEPS)
        count = there(learner, operations_of)(*given)
        assert count <= 60, f"for {len(x)} rows in {clusters} clusters it takes {count} operations, allowed are 60"


def test_vectorize_me_sends_gradients_back_to_x(learner):
    distance = made(learner, BY_STEPS)
    _, (dx, *_) = learner.vjp("vectorize_me", [X, LABELS, 4, distance], rows(0.0, 0.0, 0.0, 1.0, 0.0))
    # Of the row at 6, a = 2 and b = 5. When it moves up, both grow alike: 1 - a / b has the slope -1/5 + 2/25.
    assert_close(dx[3, 0].item(), -0.12, name="the slope of the fourth silhouette by the fourth row")


def one_weight(learner, lr=0.125):
    model = learner.library("torch").nn.Linear(1, 1, bias=False)
    model.double()
    model.load_state_dict({"weight": rows([1.0])})
    return model, learner.library("torch").optim.SGD(model.parameters(), lr=lr)


LARGE, SMALL = (rows([1.0], [2.0]), rows([0.0], [0.0])), (rows([1.0]), rows([0.0]))  # mean losses 2.5 w² and w²


@pytest.mark.stage("shape")
def test_accumulate_gradients_counts_every_row_the_same(learner):
    model, optimizer = one_weight(learner)
    losses = learner.accumulate_gradients(model, made(learner, MSE), [LARGE, SMALL], optimizer, every=2)
    assert_close(losses, [2.0], name="the losses")  # (1 + 4 + 1) / 3
    assert_close(model.weight.item(), 0.5, name="the weight")  # 1 - 0.125 · (2 + 8 + 2) / 3


def test_accumulate_gradients_takes_a_last_step_with_what_is_left(learner):
    model, optimizer = one_weight(learner)
    losses = learner.accumulate_gradients(model, made(learner, MSE), [LARGE, SMALL, SMALL], optimizer, every=2)
    assert_close(losses, [2.0, 0.25], name="the losses")
    assert_close(model.weight.item(), 0.375, name="the weight")  # 0.5 - 0.125 · 2 · 0.5


def test_accumulate_gradients_starts_without_the_gradients_that_were_there(learner):
    model, optimizer = one_weight(learner)
    made(learner, "lambda model: setattr(model.weight, 'grad', model.weight.detach() * 5)")(model)
    learner.accumulate_gradients(model, made(learner, MSE), [SMALL], optimizer, every=1)
    assert_close(model.weight.item(), 0.75, name="the weight")


def told_by(train, model, batches, optimizer, every):
    """What happens, in its order: a batch is read, its loss is computed, it is walked back, the optimizer takes a step."""
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

    hook = optimizer.register_step_post_hook(lambda *given: told.append("step"))
    train(model, loss_function, stream(), optimizer, every)
    hook.remove()
    return told


def test_accumulate_gradients_walks_each_batch_back_before_the_next(learner):
    model, optimizer = one_weight(learner)
    told = there(learner, told_by)(learner.accumulate_gradients, model, [SMALL] * 3, optimizer, 2)
    expected = ["loss", "back", "loss", "back", "step", "loss", "back", "step"]
    assert_close([what for what in told if what != "read"], expected, name="what happens, one after the other")


def test_accumulate_gradients_reads_no_further_ahead_than_a_step(learner):
    model, optimizer = one_weight(learner)
    told = there(learner, told_by)(learner.accumulate_gradients, model, [SMALL] * 5, optimizer, 2)
    assert told[: told.index("loss")].count("read") <= 2, (
        "before the first loss no more batches are read than a step has"
    )


def layers(learner, drop=0.0):
    """Five layers with two parameters each in the first and the last."""
    text = "lambda nn, p: nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Dropout(p), nn.Tanh(), nn.Linear(3, 2)).double()"
    model = made(learner, text)(learner.library("torch").nn, drop)
    state = {"0.weight": rows([1.0, -0.5], [0.3, 0.7], [-1.2, 0.4]), "0.bias": rows(0.1, -0.2, 0.3)}
    model.load_state_dict(state | {"4.weight": rows([0.5, -1.0, 0.8], [1.5, 0.2, -0.6]), "4.bias": rows(0.0, 1.0)})
    return model


INPUT = rows([0.5, -1.0], [2.0, 0.3], [-0.7, 1.1])
PLAIN = "lambda layers, x, segments: layers(x)"


def walked_back(run, layers, x, segments):
    """The output, the gradients of x and of the parameters, and what is drawn next."""
    import torch

    torch.manual_seed(7)
    y = run(layers, x, segments)
    y.square().sum().backward()
    return y.detach(), x.grad, {name: parameter.grad for name, parameter in layers.named_parameters()}, torch.rand(2)


def assert_same_gradients(learner, drop=0.0, x_requires=True, frozen=()):
    """Two layers alike, one with checkpoints and one without."""
    found = []
    for run in (learner.checkpoint_segments, made(learner, PLAIN)):
        model, x = layers(learner, drop), INPUT.clone().requires_grad_(x_requires)
        for i in frozen:
            model[i].requires_grad_(False)
        found.append(there(learner, walked_back)(run, model, x, 2))
    assert_close(found[0], found[1], name="(output, gradient of x, gradients, what is drawn next)")


@pytest.mark.stage("shape")
def test_checkpoint_segments_computes_what_the_layers_compute(learner):
    model = layers(learner)
    for segments in (1, 2, 5):
        assert_close(
            learner.checkpoint_segments(model, INPUT, segments), model(INPUT), name=f"with {segments} segments"
        )


def test_checkpoint_segments_gives_the_same_gradients(learner):
    assert_same_gradients(learner)


def test_checkpoint_segments_gives_the_same_gradients_when_x_requires_none(learner):
    assert_same_gradients(learner, x_requires=False)


def test_checkpoint_segments_gives_the_same_gradients_with_dropout(learner):
    assert_same_gradients(learner, drop=0.5)


def test_checkpoint_segments_with_frozen_parameters(learner):
    assert_same_gradients(learner, frozen=[4])


def course_of(run, x, count, segments):
    """Of so many layers of tanh: what runs, and what is walked back, in its order; first forward, then back."""
    import torch

    happened = []

    def watch(place):
        def look(module, inputs, output):
            happened.append(f"run {place}")
            if output.requires_grad:
                output.register_hook(lambda gradient: happened.append(f"back {place}"))

        return look

    layers = torch.nn.Sequential(*[torch.nn.Tanh() for _ in range(count)])
    for place, layer in enumerate(layers):
        layer.register_forward_hook(watch(place))
    y = run(layers, x.detach().clone().requires_grad_(), segments)
    forward = happened[:]
    happened.clear()
    y.sum().backward()
    return forward, happened


def test_checkpoint_segments_runs_one_segment_after_the_other_again(learner):
    forward, back = there(learner, course_of)(learner.checkpoint_segments, INPUT, 4, 2)
    assert_close(forward, ["run 0", "run 1", "run 2", "run 3"], name="the way forward")
    again = ["run 2", "run 3", "back 3", "back 2", "run 0", "run 1", "back 1", "back 0"]
    assert_close(back, again, name="the way back")


@pytest.mark.stage("robust")
def test_checkpoint_segments_refuses_what_cannot_be_cut(learner):
    for segments in (0, 6):
        with pytest.raises(ValueError):
            learner.checkpoint_segments(layers(learner), INPUT, segments)


@pytest.mark.stage("shape")
def test_to_device_moves_a_tensor(learner):
    assert_close(made(learner, "lambda move, x: move(x, 'meta').device.type")(learner.to_device, X), "meta")


def of_a_batch(to_device, batch):
    """The devices of the tensors in a nested batch, and the rest."""
    batch = to_device(batch, "meta")
    tensors = batch["x"][0], batch["x"][1][0], batch["size"][0]["t"]
    return [tensor.device.type for tensor in tensors], batch["size"][1], batch["name"], batch["none"]


def test_to_device_moves_what_is_nested(learner):
    batch = {"x": [torch.ones(2), (torch.ones(3),)], "size": ({"t": torch.tensor(1)}, 7), "name": "abc", "none": None}
    assert_close(there(learner, of_a_batch)(learner.to_device, batch), (["meta"] * 3, 7, "abc", None))


def test_to_device_keeps_kinds_and_values(learner):
    data = {"z": [X, (LABELS, 2.5)], "a": [], "text": "abc"}
    assert_close(learner.to_device(data, "cpu"), data)
    kinds = made(learner, "lambda move, data: [type(part).__name__ for part in move(data, 'meta')]")
    assert_close(
        kinds(learner.to_device, [(1, 2), [3], {4: 5}, {"b": 1}]), ["tuple", "list", "dict", "dict"], name="the kinds"
    )


def of_a_named_tuple(to_device, x):
    import collections

    pair = to_device(collections.namedtuple("Pair", ["image", "label"])(x, 3), "meta")
    return type(pair).__name__, pair.image.device.type, pair.label


def test_to_device_gives_a_named_tuple_of_its_class(learner):
    assert_close(there(learner, of_a_named_tuple)(learner.to_device, X), ("Pair", "meta", 3))


def test_to_device_asks_whatever_has_a_method_to(learner):
    asked = []
    thing = "lambda told: type('Thing', (), {'to': lambda self, device, **options: (told(str(device)), 'moved')[1]})()"
    things = [made(learner, thing)(asked.append) for _ in range(2)]
    assert_close(learner.to_device([things[0], {"b": (things[1],)}], "meta"), ["moved", {"b": ("moved",)}])
    assert_close(asked, ["meta", "meta"], name="what they were asked for")


def test_to_device_without_a_device_takes_the_gpu_if_there_is_one(learner):
    asked = []
    thing = "lambda told: type('Thing', (), {'to': lambda self, device, **options: told(str(device))})()"
    learner.to_device([made(learner, thing)(asked.append)])
    assert_close(asked, ["cuda" if torch.cuda.is_available() else "cpu"], name="what was asked for")
