"""With one-hot rows and einsum, gradients divided by the rows at the end, segments that are plain functions, `map`."""

import torch


def vectorize_me(x, labels, clusters, distance):
    distances = distance(x[:, None, :], x[None, :, :])
    member = torch.eye(clusters, dtype=distances.dtype)[labels]
    sizes = member.sum(0)
    sums = torch.einsum("ij,jc->ic", distances, member)
    others = member @ sizes - 1
    a = (member * sums).sum(1) / torch.where(others > 0, others, torch.ones_like(others))
    blocked = member.bool() | (sizes == 0)[None]
    b = torch.where(blocked, torch.inf, sums / (sizes + (sizes == 0))).min(dim=1).values
    return (b - a) / torch.stack([a, b]).amax(0) * (others > 0)


def accumulate_gradients(model, loss_function, batches, optimizer, every):
    losses, rows, total, pending = [], 0, 0.0, 0

    def take_step():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.grad.div_(rows)
        optimizer.step()
        losses.append(total / rows)

    model.zero_grad()
    for x, y in batches:
        loss = loss_function(model(x), y)
        (loss * len(x)).backward()
        rows, total, pending = rows + len(x), total + float(loss.detach()) * len(x), pending + 1
        if pending == every:
            take_step()
            model.zero_grad()
            rows, total, pending = 0, 0.0, 0
    if pending:
        take_step()
    return losses


class Again(torch.autograd.Function):
    @staticmethod
    def forward(ctx, run, x, *parameters):
        ctx.run, ctx.x, ctx.parameters, ctx.state = run, x.detach(), parameters, torch.get_rng_state()
        with torch.no_grad():
            return run(x)

    @staticmethod
    def backward(ctx, dy):
        now = torch.get_rng_state()
        torch.set_rng_state(ctx.state)
        with torch.enable_grad():
            x = ctx.x.clone().requires_grad_(True)
            y = ctx.run(x)
        torch.set_rng_state(now)
        return (None, *torch.autograd.grad([y], [x, *ctx.parameters], [dy], allow_unused=True))


def checkpoint_segments(layers, x, segments):
    if segments < 1 or segments > len(layers):
        raise ValueError(f"segments is {segments}")
    short, longer = divmod(len(layers), segments)
    rest = list(layers)
    for i in range(segments):
        size = short + (i < longer)
        part, rest = rest[:size], rest[size:]

        def run(value, part=part):
            for layer in part:
                value = layer(value)
            return value

        parameters = [p for layer in part for p in layer.parameters() if p.requires_grad]
        x = Again.apply(run, x, *parameters)
    return x


def to_device(data, device=None):
    if device is None:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if callable(getattr(data, "to", None)):
        return data.to(device=device)

    def move(item):
        return to_device(item, device)

    if isinstance(data, dict):
        return dict(zip(data, map(move, data.values()), strict=True))
    if isinstance(data, tuple) and hasattr(data, "_make"):
        return data._make(map(move, data))
    if isinstance(data, tuple | list):
        return (tuple if isinstance(data, tuple) else list)(map(move, data))
    return data
