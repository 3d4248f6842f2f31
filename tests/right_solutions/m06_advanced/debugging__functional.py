"""One step shared by four programs, modes put back in finally, handles in a dict, largest outputs in the place of flags."""

import copy
from collections import Counter

import torch


def _steps(parts, loss_of, optimizer):
    loss = loss_of()
    for part in parts:
        part.zero_grad()
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def train_without_memory(model, loss_function, batches, optimizer, epochs):
    history = []
    for _ in range(epochs):
        total = 0.0
        for x, y in batches:
            optimizer.zero_grad(set_to_none=False)
            loss = loss_function(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item()
        history.append(total / len(batches))
    return history


def train_with_double_softmax(model, x, y, optimizer, steps):
    def loss():
        return torch.nn.functional.nll_loss(torch.log_softmax(model(x), dim=-1), y)

    return [_steps([model], loss, optimizer) for _ in range(steps)]


def evaluate_model(model, batches):
    mode, found = model.training, []
    model.eval()
    try:
        with torch.inference_mode():
            for x, y in batches:
                found.append(model(x).max(dim=1).indices == y)
    finally:
        model.train(mode)
    found = torch.cat(found)
    return torch.count_nonzero(found).item() / found.numel()


def train_through_detach(encoder, head, x, y, optimizer, steps):
    def loss():
        return torch.nn.functional.mse_loss(head(torch.nn.functional.normalize(encoder(x), dim=1)), y)

    return [_steps([encoder, head], loss, optimizer) for _ in range(steps)]


def split_and_normalise(x, y, test_rows, generator):
    order = torch.randperm(x.shape[0], generator=generator)
    test_x, test_y = x[order[:test_rows]], y[order[:test_rows]]
    train_x, train_y = x[order[test_rows:]], y[order[test_rows:]]
    mean = train_x.mean(0)
    scale = torch.rsqrt(((train_x - mean) ** 2).mean(0) + 0.00001)
    return (train_x - mean) * scale, train_y, (test_x - mean) * scale, test_y


def normalise_scores(scores, values):
    weights = torch.softmax(scores, -1)
    return torch.einsum("bt,btd->bd", weights, values), weights


def train_with_exploding_rate(model, loss_function, x, y, optimizer, steps, lr, warmup):
    losses = []
    for t in range(1, steps + 1):
        rate = lr * t / warmup if t < warmup else lr
        for group in optimizer.param_groups:
            group.update(lr=rate)
        losses.append(_steps([model], lambda: loss_function(model(x), y), optimizer))
    return losses


def overfit_one_batch(model, loss_function, x, y, lr=0.01, max_steps=200, target=0.01):
    trial = copy.deepcopy(model)
    trial.eval()
    optimizer, losses = torch.optim.Adam(trial.parameters(), lr), []
    while True:
        optimizer.zero_grad()
        loss = loss_function(trial(x), y)
        losses += [loss.item()]
        if losses[-1] <= target or len(losses) == max_steps:
            return losses
        loss.backward()
        optimizer.step()


def _tensors(value):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def _broken(value):
    return any(bool((tensor - tensor != 0).any()) for tensor in _tensors(value))


class NanHook:
    def __init__(self, model):
        self.culprit, self._handles = None, {}
        for name, module in model.named_modules():

            def look(module, inputs, keywords, output, name=name):
                if self.culprit is None and _broken(output) and not _broken(inputs) and not _broken(keywords):
                    self.culprit = name

            self._handles[name] = module.register_forward_hook(look, with_kwargs=True)

    def remove(self):
        while self._handles:
            self._handles.popitem()[1].remove()


def dead_unit_fraction(model, batches):
    names = {module: name for name, module in model.named_modules() if isinstance(module, torch.nn.ReLU)}
    fired, units = {}, Counter()

    def look(module, inputs, output):
        largest = output.detach().movedim(1, 0).reshape(output.shape[1], -1).max(dim=1).values
        name = names[module]
        units[name] = len(largest)
        fired[name] = torch.maximum(fired.get(name, largest), largest)

    handles = [module.register_forward_hook(look) for module in names]
    try:
        with torch.no_grad():
            for batch in batches:
                model(batch)
    finally:
        for handle in handles:
            handle.remove()
    return {name: (largest <= 0).sum().item() / units[name] for name, largest in fired.items()}
