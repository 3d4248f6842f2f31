"""Every intermediate by its name, masks as numbers, and both gradients always."""

import torch


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, beta):
        ctx.save_for_backward(beta, x)
        z = beta * x
        sigma = torch.where(z >= 0, 1 / (1 + torch.exp(-z.abs())), torch.exp(-z.abs()) / (1 + torch.exp(-z.abs())))
        return sigma * x

    @staticmethod
    def backward(ctx, grad_output):
        beta, x = ctx.saved_tensors
        sigma = (beta * x).sigmoid()
        slope_of_sigma = sigma * (-beta * x).sigmoid()
        grad_x = grad_output * sigma + grad_output * x * slope_of_sigma * beta
        grad_beta = torch.sum(grad_output * x * x * slope_of_sigma)
        return grad_x, grad_beta


class StraightThroughRound(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, low, high):
        ctx.save_for_backward((torch.clamp(x, low, high) == x).to(x.dtype))
        return torch.maximum(torch.minimum(x.round(), torch.full_like(x, high)), torch.full_like(x, low))

    @staticmethod
    def backward(ctx, grad_output):
        return ctx.saved_tensors[0] * grad_output, None, None


class GradientReversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.factor = -scale
        return 1.0 * x

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.factor, None
