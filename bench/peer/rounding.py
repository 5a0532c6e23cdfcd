"""Fake-quantization to 4 bits, each kind as one autograd function: rounded values forward, and backward the gradient
as it is where nothing was cut off."""

import torch

LEVELS = 15  # steps of a 4-bit grid


class RoundActivation(torch.autograd.Function):
    """y = (clamp(round(x / scale) + zero, 0, 15) - zero) * scale for numbers scale and zero."""

    @staticmethod
    def forward(ctx, x, scale, zero):
        ctx.save_for_backward(x)
        ctx.low, ctx.high = (-zero - 0.5) * scale, (LEVELS - zero + 0.5) * scale
        # The zero point goes into the bounds, so that nothing has to be added and taken away.
        return torch.div(x, scale).round_().clamp_(-zero, LEVELS - zero).mul_(scale)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        # hardtanh's backward is dy where low < x < high, in one pass.
        return torch.ops.aten.hardtanh_backward(dy, x, ctx.low, ctx.high), None, None


class RoundWeight(torch.autograd.Function):
    """The same with a grid over the range of each output channel, the first axis."""

    @staticmethod
    def forward(ctx, w):
        flat = w.flatten(1)
        low, high = flat.amin(1).clamp_(max=0), flat.amax(1).clamp_(min=0)
        scale = (high - low).div_(LEVELS)
        zero = torch.round(-low / scale)
        shape = (-1,) + (1,) * (w.dim() - 1)
        scale, zero = scale.view(shape), zero.view(shape)
        q = torch.div(w, scale).round_().add_(zero)
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward((q >= 0).logical_and_(q <= LEVELS))
        return q.clamp_(0, LEVELS).sub_(zero).mul_(scale)

    @staticmethod
    def backward(ctx, dy):
        return dy * ctx.saved_tensors[0]
