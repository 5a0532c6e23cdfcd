"""Computes the cases of torch_test.go with PyTorch.

Usage: parity.py DIR. DIR/cases.json lists the cases; the arrays of case i are the files "i NAME", its results
become "i result NAME". Maps are [B, H, W, C], weights [KH, KW, Cin/groups, Cout] and [K, M].
"""

import json
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

torch.manual_seed(0)
torch.set_num_threads(2)


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def conv(t, a):
    return conv_with(t["w"], t, a)


def conv_with(w, t, a):
    top, left, bottom, right = a["pads"]
    x = nchw(t["x"])
    if a.get("upsample"):
        x = F.interpolate(x, scale_factor=2, mode="nearest")
    x = F.pad(x, (left, right, top, bottom))
    return nhwc(F.conv2d(x, w.permute(3, 2, 0, 1), None, a["stride"], 0, a["dilation"], a["groups"]))


def upconv(t, a):
    return conv(t, dict(a, upsample=True))


def linear(t, a):
    x = t["x"].flatten(1)
    return F.linear(x, t["w"].t(), t.get("bias")).reshape(t["dy"].shape)


def batchnorm(t, a):
    mean, var = t["mean"].clone(), t["var"].clone()
    y = F.batch_norm(nchw(t["x"]), mean, var, t.get("gamma"), t.get("beta"), a["train"], a["momentum"], a["eps"])
    t["result mean"], t["result var"] = mean, var
    y = nhwc(y)
    if "res" in t:
        y = y + t["res"]
    if a.get("self"):
        y = y + t["x"]
    return activate(y, a, t)


def add(t, a):
    return activate(t["x"] + t["res"], a, t)


def double(t, a):
    return t["x"] + t["x"]


def activation(t, a):
    return activate(t["x"], a, t)


def activate(y, a, t):
    kind = a.get("act")
    if kind == "relu":
        y = F.relu(y)
    elif kind == "leaky":
        y = F.leaky_relu(y, a["alpha"])
    elif kind == "clip":
        y = F.hardtanh(y, a["lo"], a["hi"])
    elif kind == "tanh":
        y = torch.tanh(y)
    if "scale" in a:
        q = torch.fake_quantize_per_tensor_affine(y, a["scale"], a["zero"], a["qmin"], a["qmax"])
        y = y + (q - y).detach() if a["passThrough"] else q
    return y


def gridconv(t, a):
    """A convolution with fake-quantized weights."""
    w = t["w"]
    if "scales" in a:
        scale = torch.tensor(a["scales"])
        zero = torch.tensor(a["zeros"], dtype=torch.int32)
    else:
        axes = (0, 1, 2) if a["perChannel"] else (0, 1, 2, 3)
        lo = w.detach().double().amin(axes).clamp(max=0).reshape(-1)
        hi = w.detach().double().amax(axes).clamp(min=0).reshape(-1)
        if a["symmetric"]:
            scale = torch.maximum(-lo, hi) / a["qmax"]
            zero = torch.zeros_like(lo)
        else:
            scale = (hi - lo) / (a["qmax"] - a["qmin"])
            zero = torch.round(a["qmin"] - lo / scale.float().double())
        scale, zero = scale.float(), zero.int()
    channels = w.shape[-1]
    q = torch.fake_quantize_per_channel_affine(w, scale.expand(channels).contiguous(), zero.expand(channels).contiguous(), 3, a["qmin"], a["qmax"])
    t["result value"] = q
    return conv_with(w + (q - w).detach() if a["passThrough"] else q, t, a)


def shared(t, a):
    """Every kind of parameter used twice: convolution, batch normalization, linear layer with bias."""
    x, w = nchw(t["x"]), t["w"].permute(3, 2, 0, 1)
    for _ in range(2):
        x = F.batch_norm(F.conv2d(x, w, padding=1), t["mean"], t["var"], t["gamma"], t["beta"], False, 0, 1e-5)
    x = x.mean((2, 3))
    for _ in range(2):
        x = F.linear(x, t["fc"].t(), t["bias"])
    return x.reshape(t["dy"].shape)


def lowered(t, a):
    """The network of torch_lower_test.go, whose constants have ONNX's layout; x is a map as everywhere here."""

    def weight(name):
        w = t[name]
        if not a["rounded"]:
            return w
        flat = w.detach().double().flatten(1)
        lo, hi = flat.amin(1).clamp(max=0), flat.amax(1).clamp(min=0)
        scale = ((hi - lo) / 15).float()
        zero = torch.round(-lo / scale.double()).int()
        t["result scale " + name] = scale
        return torch.fake_quantize_per_channel_affine(w, scale, zero, 0, 0, 15)

    def norm(x, name):
        mean, var = t[name + ".mean"].clone(), t[name + ".var"].clone()
        t[f"result {name}.mean"], t[f"result {name}.var"] = mean, var
        return F.batch_norm(x, mean, var, t[name + ".gamma"], t[name + ".beta"], a["train"], 0.1, 1e-3)

    def activation(x):
        if not a["rounded"]:
            return x
        scale = float(np.float32(3 / 15))
        return torch.fake_quantize_per_tensor_affine(x, scale, round(0.4 / scale), 0, 15)

    x = F.conv2d(nchw(t["x"]), weight("conv1.w"), t["conv1.b"], padding=1)
    x = activation(F.relu(norm(x, "bn1")))
    shortcut = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 3))
    x = norm(F.conv2d(x, weight("conv2.w"), stride=2, padding=1, groups=2), "bn2")
    x = activation(F.leaky_relu(x + shortcut, 0.1))
    x = F.max_pool2d(x, (3, 2), 1, (1, 0))
    x = F.hardtanh(F.avg_pool2d(x, 2, (2, 1)), -0.17, 1.52)
    return F.linear(x.flatten(1), weight("fc.w"), t["fc.b"]).reshape(t["dy"].shape)


def upsample(t, a):
    return nhwc(F.interpolate(nchw(t["x"]), scale_factor=2, mode="nearest"))


def window(t, a):
    x = t["x"]
    h, w, c = (slice(s, s + (n - 1) * d + 1, d) for s, n, d in zip(a["start"], a["count"], a["step"]))
    (h0, w0, c0), (h1, w1, c1) = a["before"], a["after"]
    return F.pad(x[:, h, w, c], (c0, c1, w0, w1, h0, h1), value=a["value"])


def averagepool(t, a):
    return nhwc(F.avg_pool2d(nchw(t["x"]), a["kernel"], a["stride"], a["pads"], count_include_pad=a["include"]))


def maxpool(t, a):
    return nhwc(F.max_pool2d(nchw(t["x"]), a["kernel"], a["stride"], a["pads"], a["dilation"]))


def globalpool(t, a):
    return nhwc(F.adaptive_avg_pool2d(nchw(t["x"]), 1))


def crossentropy(t, a):
    return F.cross_entropy(t["x"].flatten(1), torch.tensor(a["labels"]), label_smoothing=a["smoothing"])


def l1(t, a):
    return F.l1_loss(t["a"], t["b"])


def meanabs(t, a):
    return t["x"].abs().mean()


def relation(f):
    """Cosines between channels, the batch inside of the vectors, 1e-6 added to their mean squares."""
    f = f.reshape(-1, f.shape[-1])
    norm = (f.square().mean(0) + 1e-6).sqrt()
    return (f / norm).t() @ (f / norm) / len(f)


def crm(t, a):
    return sum(w * (relation(t[f"p{i}"]) - relation(t[f"q{i}"])).abs().mean() for i, w in enumerate(a["weights"])) * len(a["weights"])


def bnmatch(t, a):
    total = 0
    for i in range(a["layers"]):
        x, mean, var = t[f"x{i}"].flatten(0, 2), t[f"mean{i}"], t[f"var{i}"] + a["eps"]
        m, s = x.mean(0), (x.var(0, unbiased=False) + a["eps"]).sqrt()
        total = total + ((m - mean).square() / var + (s / var.sqrt() - 1).square()).mean() / a["layers"]
    return total


def bnform(t, a):
    total = 0
    for i, weight in enumerate(a["weights"]):
        x = t[f"x{i}"].flatten(0, 2)
        dm, dv = x.mean(0) - t[f"mean{i}"], x.var(0, unbiased=False) - t[f"var{i}"]
        if a["form"] == "squares":
            total = total + weight * (dm.square().mean() + dv.square().mean()) / len(a["weights"])
        else:
            total = total + weight * (dm.norm() + dv.norm())
    return total


def bnimages(t, a):
    total = 0
    for i in range(2):
        x = t[f"x{i}"].flatten(1, 2)
        dm = x.mean(1) - t[f"mean{i}"]
        ds = (x.var(1, unbiased=False) + 1e-5).sqrt() - (t[f"var{i}"] + 1e-5).sqrt()
        total = total + (dm.square().sum() + ds.square().sum()) / len(x)
    return total


def totalvariation(t, a):
    x = nchw(t["x"])
    pairs = (
        (x[:, :, :, :-1], x[:, :, :, 1:]),
        (x[:, :, :-1, :], x[:, :, 1:, :]),
        (x[:, :, :-1, 1:], x[:, :, 1:, :-1]),
        (x[:, :, :-1, :-1], x[:, :, 1:, 1:]),
    )
    return sum(((u - v).square().sum() + 1e-12).sqrt() for u, v in pairs)


def meannorm(t, a):
    return t["x"].flatten(1).norm(dim=1).mean()


def distill(t, a):
    scale = a["temperature"]
    p, q = (t[n].flatten(1) / scale for n in "ab")
    return scale**2 * F.kl_div(F.log_softmax(q, 1), F.softmax(p, 1), reduction="mean")


def jensenshannon(t, a):
    p, q = (F.softmax(t[n].flatten(1) / a["temperature"], 1) for n in "ab")
    m = ((p + q) / 2).log()
    return (F.kl_div(m, p, reduction="batchmean") + F.kl_div(m, q, reduction="batchmean")) / 2


def embed(t, a):
    return t["x"] * t["table"][a["labels"]].reshape(t["x"].shape)


def jitter(t, a):
    x = t["x"].flip(2) if a["mirror"] else t["x"]
    return x.roll((a["dy"], a["dx"]), (1, 2))


def gram(t, a):
    def matrix(f):
        f = f.flatten(1, 2)
        return f.transpose(1, 2) @ f / (f.shape[1] * f.shape[2])

    return sum(w * (matrix(t[f"p{i}"]) - matrix(t[f"q{i}"])).abs().mean() for i, w in enumerate(a["weights"])) * len(a["weights"])


def scrm(t, a):
    def attention(f):
        x = f.flatten(1, 2).transpose(1, 2)  # [B, C, HW]
        x = x / (x.square().sum(1, keepdim=True) + 1e-6).sqrt()
        spatial = x @ torch.softmax(x.transpose(1, 2) @ x, -1).transpose(1, 2)
        e = x @ x.transpose(1, 2)
        channel = torch.softmax(e.max(-1, keepdim=True)[0] - e, -1) @ x
        return 0.1 * spatial + x, 0.1 * channel + x

    total = 0
    for i, w in enumerate(a["weights"]):
        p, q = attention(t[f"p{i}"]), attention(t[f"q{i}"])
        total = total + w * sum((u - v).abs().mean() for u, v in zip(p, q))
    return total * len(a["weights"])


def sgd(t, a):
    return optimize(t, a, lambda groups: torch.optim.SGD(groups, lr=a["lr"], momentum=a["momentum"], nesterov=a["nesterov"]))


def adam(t, a):
    return optimize(t, a, lambda groups: torch.optim.Adam(groups, lr=a["lr"], betas=(a["beta1"], a["beta2"])))


def optimize(t, a, make):
    """Steps with given gradients, the first parameter with weight decay."""
    params = [torch.nn.Parameter(t[n].detach()) for n in ("w", "b")]
    o = make([{"params": [params[0]], "weight_decay": a["decay"]}, {"params": [params[1]], "weight_decay": 0}])
    norms = []
    for i in range(a["steps"]):
        for p, n in zip(params, ("w", "b")):
            p.grad = t[f"{n} {i}"].detach().clone()
        norms.append(torch.nn.utils.clip_grad_norm_(params, a["clip"]) if a["clip"] else torch.tensor(0.0))
        o.step()
        t[f"result w {i}"], t[f"result b {i}"] = params[0].detach().clone(), params[1].detach().clone()
    t["result norms"] = torch.stack(norms)


def main(folder):
    def path(i, name):
        return os.path.join(folder, f"{i} {name}")

    with open(os.path.join(folder, "cases.json")) as f:
        cases = json.load(f)
    for i, c in enumerate(cases):
        # Rounding must see the float32 that the engine sees; all else is held against float64.
        dtype = torch.float32 if c["args"].get("float32") else torch.float64
        t = {}
        for name, shape in c["tensors"].items():
            t[name] = torch.from_numpy(np.fromfile(path(i, name), "<f4").reshape(shape)).to(dtype)
        for name in c["wanted"] or []:
            t[name].requires_grad_()
        y = globals()[c["op"]](t, c["args"])
        if y is not None:
            y.backward(t.get("dy"))
            t["result y" if y.dim() else "result loss"] = y
        for name in c["wanted"] or []:
            t["result d " + name] = t[name].grad
        for name, v in t.items():
            if name.startswith("result "):
                v.detach().contiguous().numpy().astype("<f4").tofile(path(i, name))


main(sys.argv[1])
