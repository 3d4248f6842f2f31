"""Hidden checks of the training loop. Everything is float64, so that a loop written otherwise gives the same numbers."""

import pytest
import torch

from autograder.testing import assert_close, made


def plain(module, state):
    """A linear layer, a tanh and another linear layer, with the parameters of `state`, where the module's code runs."""
    nn = module.library("torch").nn
    (m, d), (c, _) = state["0.weight"].shape, state["2.weight"].shape
    model = nn.Sequential(nn.Linear(d, m), nn.Tanh(), nn.Linear(m, c))
    model.double()
    model.load_state_dict(state)
    return model


def normalized(module, state):
    """The same network behind a batch normalization, a module within a module, which is another function when evaluated."""
    nn = module.library("torch").nn
    layer = nn.BatchNorm1d(state["0.weight"].shape[1])
    layer.double()
    return nn.Sequential(nn.Sequential(layer), plain(module, state))


def plain_state(probe):
    d, m, c = probe.shape("D M C")
    shapes = {"0.weight": (m, d), "0.bias": (m,), "2.weight": (c, m), "2.bias": (c,)}
    return {name: 0.5 * probe.tensor(*shape, dtype=torch.float64) for name, shape in shapes.items()}


def batches_of(probe, *sizes):
    """Pairs (x, y) of so many rows."""
    return [tuple(probe.tensor(rows, letter, dtype=torch.float64) for letter in "DC") for rows in sizes]


def sgd(module, model, lr=0.2, **options):
    return module.library("torch").optim.SGD(model.parameters(), lr=lr, **options)


def mse(module):
    return module.library("torch").nn.functional.mse_loss


def output(state, x):
    """What `plain` computes, written out."""
    return torch.tanh(x @ state["0.weight"].T + state["0.bias"]) @ state["2.weight"].T + state["2.bias"]


def descended(state, batches, lr=0.2):
    """Plain gradient descent on mean squared errors, written out: the last parameters, and the loss before every step."""
    losses = []
    for x, y in batches:
        leaves = {name: value.clone().requires_grad_() for name, value in state.items()}
        loss = (output(leaves, x) - y).square().mean()
        loss.backward()
        losses.append(loss.item())
        state = {name: (leaf - lr * leaf.grad).detach() for name, leaf in leaves.items()}
    return state, losses


def row_mean(losses, batches):
    return sum(loss * len(x) for loss, (x, _) in zip(losses, batches, strict=True)) / sum(len(x) for x, _ in batches)


def losses_of(state, batches):
    return [(output(state, x) - y).square().mean().item() for x, y in batches]


def dropping(module, x, y):
    """A loader of batches of four that drops the rows that are left over."""
    data = module.library("torch").utils.data
    return data.DataLoader(list(zip(x, y, strict=True)), batch_size=4, drop_last=True)


def modes_of(module, model):
    return made(module, "lambda model: {name: part.training for name, part in model.named_modules()}")(model)


@pytest.mark.stage("shape")
def test_train_one_epoch_returns_a_float(learner, probe):
    model = plain(learner, plain_state(probe))
    loss = learner.train_one_epoch(model, batches_of(probe, 5, 3), sgd(learner, model), mse(learner))
    assert isinstance(loss, float), "the mean loss is a float"


@pytest.mark.visible
def test_train_one_epoch_of_a_case_computed_by_hand(learner):
    model = learner.library("torch").nn.Linear(1, 1, bias=False)
    model.load_state_dict({"weight": torch.tensor([[1.0]])})
    batches = [(torch.tensor([[1.0], [2.0]]), torch.zeros(2, 1)), (torch.tensor([[4.0]]), torch.zeros(1, 1))]
    loss = learner.train_one_epoch(model, batches, sgd(learner, model, lr=0.1), mse(learner))
    assert_close(torch.tensor(loss), torch.tensor(3.0), name="the mean loss")  # (2 · 2.5 + 4) / 3
    assert_close(model.weight, torch.tensor([[-1.1]]), name="the weight")  # 1 - 0.1 · 5, and 0.5 - 0.1 · 16


def test_train_one_epoch_of_one_batch_takes_one_step_and_returns_the_loss_before_it(learner, probe):
    state, batches = plain_state(probe), batches_of(probe, 7)
    model = plain(learner, state)
    loss = learner.train_one_epoch(model, batches, sgd(learner, model), mse(learner))
    expected, losses = descended(state, batches)
    assert_close(loss, losses[0], name="the mean loss")
    assert_close(dict(model.state_dict()), expected, name="the parameters")


def test_train_one_epoch_takes_a_step_for_every_batch_in_their_order(learner, probe):
    state, batches = plain_state(probe), batches_of(probe, 4, 4, 4)
    model = plain(learner, state)
    learner.train_one_epoch(model, batches, sgd(learner, model), mse(learner))
    assert_close(dict(model.state_dict()), descended(state, batches)[0], name="the parameters")


def test_train_one_epoch_weighs_every_row_the_same(learner, probe):
    state, batches = plain_state(probe), batches_of(probe, 8, 5, 1)
    model = plain(learner, state)
    loss = learner.train_one_epoch(model, batches, sgd(learner, model), mse(learner))
    assert_close(loss, row_mean(descended(state, batches)[1], batches))


def test_train_one_epoch_clears_gradients_that_were_there_before(learner, probe):
    state, batches = plain_state(probe), batches_of(probe, 5, 5)
    model = plain(learner, state)
    made(learner, "lambda model, x: model(x).sum().backward()")(model, 10.0 * batches[0][0])
    learner.train_one_epoch(model, batches, sgd(learner, model), mse(learner))
    assert_close(dict(model.state_dict()), descended(state, batches)[0], name="the parameters")


def test_train_one_epoch_leaves_everything_in_training_mode(learner, probe):
    model = normalized(learner, plain_state(probe))
    model.eval()
    learner.train_one_epoch(model, batches_of(probe, 5, 4), sgd(learner, model), mse(learner))
    assert set(modes_of(learner, model).values()) == {True}, "every module is in training mode"


def test_train_one_epoch_normalizes_by_the_batch_as_training_mode_does(learner, probe):
    state, batches = plain_state(probe), batches_of(probe, 6)
    model = normalized(learner, state)
    model.eval()
    loss = learner.train_one_epoch(model, batches, sgd(learner, model), mse(learner))
    (x, y), eps = batches[0], 1e-5
    normal = (x - x.mean(dim=0)) / (x.var(dim=0, correction=0) + eps).sqrt()
    assert_close(loss, losses_of(state, [(normal, y)])[0])


def test_train_one_epoch_sends_every_batch_through_the_model_once(learner, probe):
    model = normalized(learner, plain_state(probe))
    learner.train_one_epoch(model, batches_of(probe, 6, 4, 5), sgd(learner, model), mse(learner))
    counted = model.state_dict()["0.0.num_batches_tracked"]
    assert_close(counted, torch.tensor(3), name="the number of batches that the normalization has seen")


def test_train_one_epoch_goes_through_the_batches_once(learner, probe):
    state, batches = plain_state(probe), batches_of(probe, 4, 3)
    model, once = plain(learner, state), made(learner, "lambda batches: iter(batches)")
    loss = learner.train_one_epoch(model, once(batches), sgd(learner, model), mse(learner))
    expected, losses = descended(state, batches)
    assert_close(loss, row_mean(losses, batches), name="the mean loss")
    assert_close(dict(model.state_dict()), expected, name="the parameters")


def test_train_one_epoch_gives_the_loss_function_output_and_targets(learner, probe):
    lopsided = "lambda output, y: ((output - y) ** 2 * (1 + (output > y))).mean()"
    state, batches = plain_state(probe), batches_of(probe, 7)
    model = plain(learner, state)
    loss = learner.train_one_epoch(model, batches, sgd(learner, model), made(learner, lopsided))
    assert_close(loss, eval(lopsided)(output(state, batches[0][0]), batches[0][1]).item())


@pytest.mark.stage("whole")
def test_train_one_epoch_equals_the_reference(learner, reference, probe):
    state, batches, results = plain_state(probe), batches_of(probe, 6, 6, 2), []
    for module in (learner, reference):
        model = normalized(module, {name: value.clone() for name, value in state.items()})
        optimizer = sgd(module, model, momentum=0.8, weight_decay=0.1)
        losses = [module.train_one_epoch(model, batches, optimizer, mse(module)) for _ in range(2)]
        results.append([losses, dict(model.state_dict())])
    assert_close(*results, name="[losses, state_dict]")


@pytest.mark.stage("whole")
def test_train_one_epoch_of_a_classifier_from_a_data_loader_equals_the_reference(learner, reference, probe):
    state, x, y = plain_state(probe), probe.tensor(11, "D", dtype=torch.float64), probe.integers(11, high="C")
    results = []
    for module in (learner, reference):
        package, model = module.library("torch"), plain(module, state)
        loader = package.utils.data.DataLoader(list(zip(x, torch.from_numpy(y), strict=True)), batch_size=4)
        optimizer = package.optim.Adam(model.parameters(), lr=0.05)
        loss = module.train_one_epoch(model, loader, optimizer, package.nn.CrossEntropyLoss())
        results.append([loss, dict(model.state_dict())])
    assert_close(*results, name="[loss, state_dict]")


@pytest.mark.stage("robust")
def test_train_one_epoch_of_a_loader_that_leaves_rows_out_counts_those_that_came(learner, probe):
    state, ((x, y),) = plain_state(probe), batches_of(probe, 11)
    model = plain(learner, state)
    loss = learner.train_one_epoch(model, dropping(learner, x, y), sgd(learner, model), mse(learner))
    batches = [(x[:4], y[:4]), (x[4:8], y[4:8])]
    assert_close(loss, row_mean(descended(state, batches)[1], batches))


@pytest.mark.stage("robust")
def test_train_one_epoch_of_many_batches(learner, probe):
    state, batches = plain_state(probe), batches_of(probe, *[1, 2] * 20)
    model = plain(learner, state)
    loss = learner.train_one_epoch(model, batches, sgd(learner, model, lr=0.02), mse(learner))
    expected, losses = descended(state, batches, lr=0.02)
    assert_close([loss, dict(model.state_dict())], [row_mean(losses, batches), expected], name="[loss, parameters]")


@pytest.mark.stage("robust")
def test_train_one_epoch_leaves_a_frozen_parameter_alone(learner, probe):
    state, batches = plain_state(probe), batches_of(probe, 5, 4)
    model = plain(learner, state)
    model[0].requires_grad_(False)
    learner.train_one_epoch(model, batches, sgd(learner, model), mse(learner))
    after = model.state_dict()
    assert_close(after["0.weight"], state["0.weight"], name="the frozen weight")
    assert (after["2.weight"] != state["2.weight"]).all(), "the other weight moves"


@pytest.mark.stage("shape")
def test_evaluate_returns_a_float(learner, probe):
    model = plain(learner, plain_state(probe))
    assert isinstance(learner.evaluate(model, batches_of(probe, 5, 3), mse(learner)), float), "the loss is a float"


@pytest.mark.visible
def test_evaluate_of_a_case_computed_by_hand(learner):
    model = learner.library("torch").nn.Linear(1, 1, bias=False)
    model.load_state_dict({"weight": torch.tensor([[2.0]])})
    batches = [(torch.tensor([[1.0], [2.0]]), torch.zeros(2, 1)), (torch.tensor([[0.5]]), torch.zeros(1, 1))]
    assert_close(torch.tensor(learner.evaluate(model, batches, mse(learner))), torch.tensor(7.0))  # (4 + 16 + 1) / 3


def test_evaluate_of_one_batch_is_its_loss(learner, probe):
    state, batches = plain_state(probe), batches_of(probe, 7)
    assert_close(learner.evaluate(plain(learner, state), batches, mse(learner)), losses_of(state, batches)[0])


def test_evaluate_weighs_every_row_the_same(learner, probe):
    state, batches = plain_state(probe), batches_of(probe, 8, 5, 1)
    expected = row_mean(losses_of(state, batches), batches)
    assert_close(learner.evaluate(plain(learner, state), batches, mse(learner)), expected)


def test_evaluate_uses_evaluation_mode(learner, probe):
    state, batches = plain_state(probe), batches_of(probe, 6, 3)
    model = normalized(learner, state)  # its running mean is 0 and its running variance 1
    scaled = [(x / (1.0 + 1e-5) ** 0.5, y) for x, y in batches]
    assert_close(learner.evaluate(model, batches, mse(learner)), row_mean(losses_of(state, scaled), batches))


def test_evaluate_records_nothing_for_a_backward_pass(learner, probe):
    state, batches = plain_state(probe), batches_of(probe, 6, 3)
    model = plain(learner, state)
    peek = "lambda module, given, output: 1000.0 + output if output.requires_grad else output"
    model[2].register_forward_hook(made(learner, peek))
    expected = row_mean(losses_of(state, batches), batches)
    assert_close(
        learner.evaluate(model, batches, mse(learner)), expected, name="the loss, huge where a record is kept,"
    )


def test_evaluate_switches_recording_on_again(learner, probe):
    learner.evaluate(plain(learner, plain_state(probe)), batches_of(probe, 6, 3), mse(learner))
    assert learner.library("torch").is_grad_enabled() is True, "autograd records again afterwards"


def test_evaluate_leaves_recording_switched_off_where_it_was(learner, probe):
    unrecorded = learner.library("torch").no_grad()
    afterwards = "lambda evaluate, *given: [evaluate(*given), __import__('torch').is_grad_enabled()][1]"
    given = plain(learner, plain_state(probe)), batches_of(probe, 6, 3), mse(learner)
    assert unrecorded(made(learner, afterwards))(learner.evaluate, *given) is False, "autograd still does not record"


def test_evaluate_puts_a_model_back_into_the_mode_that_it_was_in(learner, probe):
    for training in (True, False):
        model = normalized(learner, plain_state(probe))
        model.train(training)
        learner.evaluate(model, batches_of(probe, 6, 3), mse(learner))
        assert set(modes_of(learner, model).values()) == {training}, f"training is {training} again in every module"


def test_evaluate_puts_every_module_back_into_its_own_mode(learner, probe):
    model = normalized(learner, plain_state(probe))
    for part in (model[0], model[1][2]):
        part.eval()
    before = modes_of(learner, model)
    learner.evaluate(model, batches_of(probe, 6, 3), mse(learner))
    assert_close(modes_of(learner, model), before, name="training, module by module,")


def test_evaluate_changes_nothing(learner, probe):
    model = normalized(learner, plain_state(probe))
    model[1][0].requires_grad_(False)
    about = made(learner, "lambda model: {name: (p.grad, p.requires_grad) for name, p in model.named_parameters()}")
    before = [dict(model.state_dict()), about(model)]
    learner.evaluate(model, batches_of(probe, 6, 3), mse(learner))
    after = [dict(model.state_dict()), about(model)]
    assert_close(after, before, name="[state_dict, .grad and requires_grad]")


def test_evaluate_leaves_gradients_that_are_there(learner, probe):
    model, batches = plain(learner, plain_state(probe)), batches_of(probe, 6, 3)
    made(learner, "lambda model, x: model(x).sum().backward()")(model, batches[0][0])
    grads = made(learner, "lambda model: [p.grad for p in model.parameters()]")
    before = grads(model)
    learner.evaluate(model, batches, mse(learner))
    assert_close(grads(model), before, name="the .grad of the parameters")


def test_evaluate_goes_through_the_batches_once(learner, probe):
    state, batches = plain_state(probe), batches_of(probe, 4, 3)
    once = made(learner, "lambda batches: iter(batches)")
    expected = row_mean(losses_of(state, batches), batches)
    assert_close(learner.evaluate(plain(learner, state), once(batches), mse(learner)), expected)


@pytest.mark.stage("whole")
def test_evaluate_equals_the_reference(learner, reference, probe):
    state, batches, results = plain_state(probe), batches_of(probe, 6, 6, 2), []
    moved = [(2.0 * x + 1.0, y) for x, y in batches_of(probe, 9)]
    for module in (learner, reference):
        model = normalized(module, state)
        model(moved[0][0])  # running statistics of their own
        results.append(module.evaluate(model, batches, module.library("torch").nn.HuberLoss(delta=0.5)))
    assert_close(*results)


@pytest.mark.stage("whole")
def test_evaluate_of_a_classifier_from_a_data_loader_is_the_loss_of_all_rows_together(learner, probe):
    state, x = plain_state(probe), probe.tensor(11, "D", dtype=torch.float64)
    y, package = torch.from_numpy(probe.integers(11, high="C")), learner.library("torch")
    loader = package.utils.data.DataLoader(list(zip(x, y, strict=True)), batch_size=4)
    loss = learner.evaluate(plain(learner, state), loader, package.nn.functional.cross_entropy)
    assert_close(loss, torch.nn.functional.cross_entropy(output(state, x), y).item())


@pytest.mark.stage("robust")
def test_evaluate_of_a_loader_that_leaves_rows_out_counts_those_that_came(learner, probe):
    state, ((x, y),) = plain_state(probe), batches_of(probe, 11)
    loss = learner.evaluate(plain(learner, state), dropping(learner, x, y), mse(learner))
    assert_close(loss, losses_of(state, [(x[:8], y[:8])])[0])


@pytest.mark.stage("robust")
def test_evaluate_of_many_batches(learner, probe):
    state, batches = plain_state(probe), batches_of(probe, *[1, 2] * 20)
    expected = row_mean(losses_of(state, batches), batches)
    assert_close(learner.evaluate(plain(learner, state), batches, mse(learner)), expected)


@pytest.mark.stage("robust")
def test_evaluate_with_dropout_drops_nothing_and_gives_the_same_again(learner, probe):
    nn, state, batches = learner.library("torch").nn, plain_state(probe), batches_of(probe, 6, 3)
    model = nn.Sequential(nn.Dropout(0.6), plain(learner, state))
    losses = [learner.evaluate(model, batches, mse(learner)) for _ in range(2)]
    assert_close(losses, [row_mean(losses_of(state, batches), batches)] * 2)


def fitted(module, state, train, validation, epochs, build=normalized, **options):
    """The history of a fit, and the state_dict after it."""
    model = build(module, state)
    history = module.fit(model, train, validation, sgd(module, model, **options), mse(module), epochs)
    return [history, dict(model.state_dict())]


@pytest.mark.stage("shape")
def test_fit_returns_two_lists_with_a_float_for_every_epoch(learner, probe):
    train, validation = batches_of(probe, 5, 3), batches_of(probe, 4)
    history, _ = fitted(learner, plain_state(probe), train, validation, 3)
    assert isinstance(history, dict) and sorted(history) == ["train", "validation"], "the keys: train and validation"
    for name, losses in history.items():
        assert isinstance(losses, list) and len(losses) == 3, f"{name} is a list with an entry for every epoch"
        assert all(isinstance(loss, float) for loss in losses), f"the entries of {name} are floats"


@pytest.mark.visible
def test_fit_of_a_case_computed_by_hand(learner):
    model = learner.library("torch").nn.Linear(1, 1, bias=False)
    model.load_state_dict({"weight": torch.tensor([[4.0]])})
    train, validation = [(torch.ones(1, 1), torch.zeros(1, 1))], [(torch.ones(2, 1), torch.ones(2, 1))]
    history = learner.fit(model, train, validation, sgd(learner, model, lr=0.25), mse(learner), epochs=3)
    assert_close(history, {"train": [16.0, 4.0, 1.0], "validation": [1.0, 0.0, 0.25]})  # the weight: 4, 2, 1, ½
    assert_close(model.weight, torch.tensor([[0.5]]), name="the weight")


def test_fit_tells_the_training_loss_of_every_epoch(learner, probe):
    state, train = plain_state(probe), batches_of(probe, 5, 3)
    history, after = fitted(learner, state, train, batches_of(probe, 4), 2, plain)
    once, first = descended(state, train)
    twice, second = descended(once, train)
    assert_close(history["train"], [row_mean(first, train), row_mean(second, train)])
    assert_close(after, twice, name="the parameters after two epochs")


def test_fit_tells_the_validation_loss_after_every_epoch(learner, probe):
    state, train, validation = plain_state(probe), batches_of(probe, 5, 3), batches_of(probe, 4, 7)
    history, _ = fitted(learner, state, train, validation, 2, plain)
    once, _ = descended(state, train)
    twice, _ = descended(once, train)
    expected = [row_mean(losses_of(parameters, validation), validation) for parameters in (once, twice)]
    assert_close(history["validation"], expected)


def test_fit_learns_nothing_from_the_validation_rows(learner, probe):
    state, train = plain_state(probe), batches_of(probe, 5, 3)
    _, after = fitted(learner, state, train, batches_of(probe, 4, 4), 2)
    _, other = fitted(learner, state, train, [(5.0 * x + 1.0, -y) for x, y in batches_of(probe, 6)], 2)
    assert_close(after, other, name="the state_dict, which should not depend on the validation rows,")


def test_fit_judges_in_evaluation_mode_and_goes_on_in_training_mode(learner, reference, probe):
    state, train, validation = plain_state(probe), batches_of(probe, 5, 3), batches_of(probe, 4)
    history, after = fitted(learner, state, train, validation, 3)
    expected, expected_after = fitted(reference, state, train, validation, 3)
    assert_close(history["validation"], expected["validation"], name="the validation losses")
    assert_close(after, expected_after, name="the state_dict")


def test_fit_goes_through_the_batches_anew_in_every_epoch(learner, reference, probe):
    """A loader that shuffles gives them in another order each time."""
    state, results = plain_state(probe), []
    rows = [(x[0], y[0]) for x, y in batches_of(probe, *[1] * 11)]
    seed = int(probe.integers(1, high=10**6)[0])
    for module in (learner, reference):
        data = module.library("torch").utils.data
        generator = module.library("torch").Generator()
        generator.manual_seed(seed)
        loader = data.DataLoader(rows, batch_size=4, shuffle=True, generator=generator)
        other = data.DataLoader(
            rows, batch_size=4, sampler=data.RandomSampler(rows, num_samples=4, generator=generator)
        )
        results.append(fitted(module, state, loader, other, 3, plain))
    assert_close(*results, name="[history, state_dict]")


@pytest.mark.stage("whole")
def test_fit_equals_the_reference(learner, reference, probe):
    state, train, validation = plain_state(probe), batches_of(probe, 6, 6, 2), batches_of(probe, 5, 3)
    results = [fitted(module, state, train, validation, 4, momentum=0.7) for module in (learner, reference)]
    assert_close(*results, name="[history, state_dict]")


@pytest.mark.stage("whole")
def test_fit_of_a_classifier_equals_the_reference(learner, reference, probe):
    state, results = plain_state(probe), []
    train, validation = (
        [(x, torch.from_numpy(probe.integers(len(x), high="C"))) for x, _ in batches_of(probe, *sizes)]
        for sizes in ((6, 5), (4, 3))
    )
    for module in (learner, reference):
        package, model = module.library("torch"), normalized(module, state)
        optimizer = package.optim.Adam(model.parameters(), lr=0.02)
        history = module.fit(model, train, validation, optimizer, package.nn.CrossEntropyLoss(), epochs=3)
        results.append([history, dict(model.state_dict())])
    assert_close(*results, name="[history, state_dict]")


@pytest.mark.stage("robust")
def test_fit_for_no_epochs_changes_nothing(learner, probe):
    state = plain_state(probe)
    history, after = fitted(learner, state, batches_of(probe, 5), batches_of(probe, 4), 0, plain)
    assert_close([history, after], [{"train": [], "validation": []}, state], name="[history, parameters]")


@pytest.mark.stage("robust")
def test_fit_goes_on_and_looks_again_where_nothing_gets_better(learner, reference, probe):
    state, train, validation = plain_state(probe), batches_of(probe, 5, 3), batches_of(probe, 4)
    for options in ({"lr": 0.0}, {"lr": 0.02, "maximize": True}):
        results = [fitted(module, state, train, validation, 9, plain, **options) for module in (learner, reference)]
        assert_close(*results, name="[history, parameters]")


@pytest.mark.stage("robust")
def test_fit_of_two_models_keeps_their_histories_apart(learner, reference, probe):
    train, validation = batches_of(probe, 5, 3), batches_of(probe, 4)
    for state in (plain_state(probe), plain_state(probe)):
        got = fitted(learner, state, train, validation, 2, plain)
        assert_close(got, fitted(reference, state, train, validation, 2, plain), name="[history, parameters]")
