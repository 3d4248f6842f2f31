"""Forward passes without ctx and a setup_context beside them; slopes in terms of the output; where for masks."""

import torch


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(x, beta):
        return torch.nn.functional.silu(beta * x) / beta if beta else x / 2

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, dy):
        x, beta = ctx.saved_tensors
        dx = dbeta = None
        gate = (1 + torch.tanh(beta * x / 2)) / 2
        if ctx.needs_input_grad[0]:
            swish = beta * x * gate
            dx = (swish + gate * (1 - swish)) * dy
        if ctx.needs_input_grad[1]:
            dbeta = torch.dot((dy * x).flatten(), (x * gate * (1 - gate)).flatten())
        return dx, dbeta


class StraightThroughRound(torch.autograd.Function):
    @staticmethod
    def forward(x, low, high):
        return torch.clamp(x, low, high).round()

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.low, ctx.high = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        outside = (x < ctx.low).logical_or(x > ctx.high)
        return torch.where(outside, torch.zeros_like(dy), dy), None, None


class GradientReversal(torch.autograd.Function):
    @staticmethod
    def forward(x, scale):
        return x.clone()

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, ctx.scale = inputs

    @staticmethod
    def backward(ctx, dy):
        return torch.mul(dy, ctx.scale).neg(), None
