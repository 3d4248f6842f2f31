"""The programs repaired in other places than in the reference, with a scheduler, a copied model and written-out formulas."""

import copy

import torch


def train_without_memory(model, loss_function, batches, optimizer, epochs):
    history = []
    for _ in range(epochs):
        total = 0.0
        for x, y in batches:
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            loss = loss_function(model(x), y)
            for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                parameter.grad = gradient
            optimizer.step()
            total += loss.item()
        history.append(total / len(batches))
    return history


def train_with_double_softmax(model, x, y, optimizer, steps):
    losses = []
    for _ in range(steps):
        logits = model(x)
        loss = (logits.logsumexp(1) - logits.gather(1, y[:, None])[:, 0]).mean()
        model.zero_grad(set_to_none=False)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def evaluate_model(model, batches):
    twin = copy.deepcopy(model)
    twin.train(False)
    with torch.inference_mode():
        right = torch.cat([(twin(x).argmax(1) == y).double() for x, y in batches])
    return right.mean().item()


def train_through_detach(encoder, head, x, y, optimizer, steps):
    losses = []
    for _ in range(steps):
        features = torch.nn.functional.normalize(encoder(x), dim=1, eps=1e-30)
        loss = torch.nn.functional.mse_loss(head(features), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def split_and_normalise(x, y, test_rows, generator):
    order = torch.randperm(len(x), generator=generator)
    x, y = x[order], y[order]
    variance, mean = torch.var_mean(x[test_rows:], dim=0, unbiased=False)
    x = torch.nn.functional.batch_norm(x, mean, variance, training=False, eps=1e-5)
    return x[test_rows:], y[test_rows:], x[:test_rows], y[:test_rows]


def normalise_scores(scores, values):
    weights = (scores - scores.logsumexp(dim=-1, keepdim=True)).exp()
    return torch.bmm(weights[:, None], values)[:, 0], weights


def train_with_exploding_rate(model, loss_function, x, y, optimizer, steps, lr, warmup):
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] = lr
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: min(1.0, (t + 1) / warmup))
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_function(model(x), y)
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


def overfit_one_batch(model, loss_function, x, y, lr=0.01, max_steps=200, target=0.01):
    twin = copy.deepcopy(model)
    twin.train(False)
    optimizer = torch.optim.Adam(twin.parameters(), lr=lr)
    losses = [loss_function(twin(x), y).item()]
    while losses[-1] > target and len(losses) < max_steps:
        optimizer.zero_grad()
        loss_function(twin(x), y).backward()
        optimizer.step()
        losses.append(loss_function(twin(x), y).item())
    return losses


def leaves(value):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        yield from leaves(list(value.values()))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from leaves(item)


class NanHook:
    def __init__(self, model):
        self.culprit = None
        self.handles = []
        for name, module in model.named_modules():

            def look(module, inputs, keywords, output, name=name):
                if self.culprit is None and self.bad(output) and not self.bad(inputs) and not self.bad(keywords):
                    self.culprit = name

            self.handles.append(module.register_forward_hook(look, with_kwargs=True))

    @staticmethod
    def bad(value):
        return any((tensor.isnan() | tensor.isinf()).any().item() for tensor in leaves(value))

    def remove(self):
        while self.handles:
            self.handles.pop().remove()


def dead_unit_fraction(model, batches):
    seen, handles = {}, []
    for name, module in model.named_modules():
        if type(module) is torch.nn.ReLU:

            def look(module, inputs, output, name=name):
                seen.setdefault(name, []).append(output.detach().clone())

            handles.append(module.register_forward_hook(look))
    with torch.set_grad_enabled(False):
        for x in batches:
            model(x)
    for handle in handles:
        handle.remove()
    shares = {}
    for name, outputs in seen.items():
        units = outputs[0].shape[1]
        dead = [u for u in range(units) if not any((output[:, u] > 0).any() for output in outputs)]
        shares[name] = len(dead) / units
    return shares
