"""The run of TestTenLosses with PyTorch: a generator against a network and its 4-bit twin.

Usage: losses.py DIR. DIR/run.json gives the shapes of the initial arrays, each a file of float32; the losses of every
step become DIR/losses.
"""

import json
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

folder = sys.argv[1]
with open(os.path.join(folder, "run.json")) as f:
    run = json.load(f)
init = {n: torch.from_numpy(np.fromfile(os.path.join(folder, n), "<f4").reshape(s)) for n, s in run["shapes"].items()}


def parameters(names):
    return {n: torch.nn.Parameter(init[n].clone()) for n in names}


G = parameters(n for n in init if n.startswith("g."))
names = [n for n in init if not n.startswith("g.") and n != "z" and not n.endswith((".mean", ".var"))]
P, Q = {n: init[n] for n in names}, parameters(names)


def conv(x, w):
    return F.conv2d(x, w.permute(3, 2, 0, 1), padding=1)


def batch_norm(x, gamma=None, beta=None):
    return F.batch_norm(x, None, None, gamma, beta, True, 0.1, 1e-5)


def up(x):
    return F.interpolate(x, scale_factor=2, mode="nearest")


def generate(z):
    x = (z @ G["g.fc"] + G["g.fc.bias"]).reshape(-1, 3, 3, 8).permute(0, 3, 1, 2)
    x = up(batch_norm(x, G["g.bn0.gamma"], G["g.bn0.beta"]))
    x = F.leaky_relu(batch_norm(conv(x, G["g.conv0"]), G["g.bn1.gamma"], G["g.bn1.beta"]), 0.2)
    return batch_norm(torch.tanh(conv(up(x), G["g.conv1"])))


class Round(torch.autograd.Function):
    """Affine quantization and back; the gradient passes where nothing was cut off."""

    @staticmethod
    def forward(ctx, x, scale, zero, qmin, qmax):
        q = torch.round(x / scale) + zero
        ctx.save_for_backward((q >= qmin) & (q <= qmax))
        return (q.clamp(qmin, qmax) - zero) * scale

    @staticmethod
    def backward(ctx, dy):
        return dy * ctx.saved_tensors[0], None, None, None, None


def round_weight(w):
    """4 bits over the range of every output channel, the last axis."""
    flat = w.detach().reshape(-1, w.shape[-1])
    lo, hi = flat.amin(0).clamp(max=0), flat.amax(0).clamp(min=0)
    scale = (hi - lo) / 15
    return Round.apply(w, scale, torch.round(-lo / scale), 0, 15)


def network(x, w, rounded):
    weight = round_weight if rounded else lambda v: v
    activation = (lambda v: Round.apply(F.relu(v), torch.tensor(0.2), 0, 0, 15)) if rounded else F.relu
    features = []
    for i in range(3):
        n = f"conv{i}"
        y = conv(x, weight(w[n]))
        y = F.batch_norm(y, init[n + ".mean"], init[n + ".var"], w[n + ".gamma"], w[n + ".beta"], False, 0, 1e-5)
        if i == 2:
            y = y + features[0]
        x = activation(y)
        features.append(x)
    return features[1:], x.mean((2, 3)) @ weight(w["fc"]) + w["fc.bias"]


def relation(f):
    f = f.transpose(0, 1).flatten(1)
    s = f @ f.t()
    norm = (s.diagonal() + 1e-6 * f.shape[1]).sqrt()
    return s / torch.outer(norm, norm)


def discrepancies(z):
    x = generate(z)
    fp, yp = network(x, P, False)
    fq, yq = network(x, Q, True)
    # Two layers with weights 1/2, times the number of layers.
    return (yp - yq).abs().mean(), sum((relation(a) - relation(b)).abs().mean() for a, b in zip(fp, fq))


weights = [p for p in Q.values() if p.dim() > 1]
others = [p for p in Q.values() if p.dim() == 1]
step_g = torch.optim.Adam(G.values(), lr=1e-3)
step_q = torch.optim.SGD(
    [{"params": weights, "weight_decay": 5e-4}, {"params": others}], lr=0.01, momentum=0.9, nesterov=True
)
losses = []
for z in init["z"]:
    for sign, optimizer in ((-1, step_g), (1, step_q)):
        do, df = discrepancies(z)
        losses += [do.item(), df.item()]
        step_g.zero_grad()
        step_q.zero_grad()
        (sign * (do + run["alpha"] * df)).backward()
        if sign > 0:
            torch.nn.utils.clip_grad_norm_(Q.values(), 1)
        optimizer.step()
np.array(losses, "<f4").tofile(os.path.join(folder, "losses"))
