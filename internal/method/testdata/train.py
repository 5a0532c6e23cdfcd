"""The run of TestTrainTorch with PyTorch: a residual network, its batches, SGD with Nesterov momentum.

Usage: train.py DIR. DIR/run.json has the shapes of the arrays, each a file of float32 named as in the network, and the
settings of the run. The losses become DIR/losses, each array afterwards DIR/<name>.after.
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


def read(name, kind="<f4"):
    return torch.from_numpy(np.fromfile(os.path.join(folder, name), kind))


net = {n: read(n).reshape(s) for n, s in run["shapes"].items()}
trained = {n: p.requires_grad_() for n, p in net.items() if not n.endswith(("running_mean", "running_var"))}


def conv_norm(x, conv, norm, stride):
    w = net[conv + ".weight"]
    x = F.conv2d(x, w, stride=stride, padding=w.shape[2] // 2)
    buffers = net[norm + ".running_mean"], net[norm + ".running_var"]
    return F.batch_norm(x, *buffers, net[norm + ".weight"], net[norm + ".bias"], True, 0.1, 1e-5)


def forward(x):
    x = F.relu(conv_norm(x, "conv1", "bn1", 1))
    for stage in 1, 2, 3:
        block = 0
        while f"layer{stage}.{block}.conv1.weight" in net:
            p = f"layer{stage}.{block}."
            stride = 2 if stage > 1 and block == 0 else 1
            y = F.relu(conv_norm(x, p + "conv1", p + "bn1", stride))
            y = conv_norm(y, p + "conv2", p + "bn2", 1)
            if p + "shortcut.0.weight" in net:
                x = conv_norm(x, p + "shortcut.0", p + "shortcut.1", stride)
            x = F.relu(x + y)
            block += 1
    return F.linear(x.mean((2, 3)), net["fc.weight"], net["fc.bias"])


def decays(name):
    return net[name].dim() > 1


optimizer = torch.optim.SGD(
    [
        {"params": [p for n, p in trained.items() if decays(n)], "weight_decay": run["decay"]},
        {"params": [p for n, p in trained.items() if not decays(n)], "weight_decay": 0},
    ],
    lr=1,
    momentum=0.9,
    nesterov=True,
)
losses = []
images = read("images").reshape(len(run["rates"]), run["batch"], *run["image"])
labels = read("labels", "<i4").long().reshape(len(run["rates"]), run["batch"])
for x, t, rate in zip(images, labels, run["rates"]):
    for group in optimizer.param_groups:
        group["lr"] = rate
    loss = F.cross_entropy(forward(x.permute(0, 3, 1, 2)), t, label_smoothing=run["smoothing"])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

np.array(losses, "<f4").tofile(os.path.join(folder, "losses"))
for name, value in net.items():
    value.detach().numpy().astype("<f4").tofile(os.path.join(folder, name + ".after"))
