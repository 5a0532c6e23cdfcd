"""What is measured: steps of the game between G and Q, a training step, and single convolutions."""

import torch
import torch.nn.functional as F

from networks import Generator, MobileNetV2, ResNet20

NETWORKS = {"resnet20": ResNet20, "mobilenetv2": MobileNetV2}
ALPHA, BETA = 0.1, 0.05


def layout(tensors, channels_last):
    """Puts the weights of convolutions into the memory format."""
    if not channels_last:
        return
    for name, t in tensors.items():
        if t.dim() == 4:
            tensors[name] = t.contiguous(memory_format=torch.channels_last)


def relation(f):
    """Cosines between the channels of f [N, C, H, W] over batch and positions, without a copy of f."""
    n, c, h, w = f.shape
    if f.is_contiguous(memory_format=torch.channels_last):
        v = f.permute(0, 2, 3, 1).reshape(-1, c)
        s = v.t() @ v
    else:
        v = f.flatten(2)
        s = torch.bmm(v, v.transpose(1, 2)).sum(0)
    norm = (s.diagonal() + 1e-6 * (n * h * w)).sqrt()
    return s / torch.outer(norm, norm)


def decayed(params):
    """Groups for an optimizer: weights decay, biases, gamma and beta do not."""
    return [
        {"params": [p for p in params if p.dim() > 1], "weight_decay": 5e-4},
        {"params": [p for p in params if p.dim() == 1], "weight_decay": 0},
    ]


class Game:
    """G makes images on which P and its 4-bit twin Q differ, Q learns to differ less: D_o + alpha D_f, and for G minus
    that with beta times minus the mean activation of P's last feature map."""

    def __init__(self, network, batch, channels_last):
        self.batch = batch
        self.g = Generator(channels_last)
        self.p, self.q = NETWORKS[network](), NETWORKS[network](rounded=True)
        for tensors in (self.g.params, self.p.params):
            layout(tensors, channels_last)
        for name, v in self.p.params.items():
            self.q.params[name] = v.clone()
        self.settle()
        for p in self.g.params.values():
            p.requires_grad_()
        self.adam = torch.optim.Adam(self.g.params.values(), lr=1e-4)
        self.sgd = torch.optim.SGD(decayed(self.q.params.values()), lr=0.01, momentum=0.9, nesterov=True)

    def settle(self):
        """Gives normalizations the statistics of generated images, and grids their range."""
        with torch.no_grad():
            x = self.g(torch.randn(self.batch, Generator.LATENT))
            self.p.train = True
            for _ in range(30):
                self.p(x)
            self.p.train = False
            self.q.stats, self.q.observe = self.p.stats, True
            self.q(x)
            self.q.observe = False

    def losses(self, x, p):
        fp, yp = p
        fq, yq = self.q(x)
        do = (yp - yq).abs().mean()
        # Layers have weights 1/L, and D_f is L times their sum.
        df = sum((a - relation(b)).abs().mean() for a, b in zip(fp, fq))
        return do, df

    def compared(self, x):
        """What Q is compared with: relation maps and logits of P, and the mean activation."""
        features, y = self.p(x)
        return ([relation(f) for f in features], y), features[-1].abs().mean()

    def noise(self):
        return torch.randn(self.batch, Generator.LATENT)

    def train_q(self, on):
        for p in self.q.params.values():
            p.requires_grad_(on)

    def gradient_q(self, z):
        self.train_q(True)
        with torch.no_grad():
            x = self.g(z)
            p, _ = self.compared(x)
        do, df = self.losses(x, p)
        self.sgd.zero_grad(set_to_none=True)
        (do + ALPHA * df).backward()
        torch.nn.utils.clip_grad_norm_(self.q.params.values(), 1)
        return do, df

    def gradient_g(self, z):
        self.train_q(False)
        x = self.g(z)
        p, activation = self.compared(x)
        do, df = self.losses(x, p)
        self.adam.zero_grad(set_to_none=True)
        (-do - ALPHA * df - BETA * activation).backward()
        torch.nn.utils.clip_grad_norm_(self.g.params.values(), 1)
        return do, df

    def step_q(self):
        self.gradient_q(self.noise())
        self.sgd.step()

    def step_g(self):
        self.gradient_g(self.noise())
        self.adam.step()


class Training:
    """A step of float training on given images: cross-entropy, batch statistics, SGD."""

    def __init__(self, network, batch, channels_last):
        self.net = NETWORKS[network](train=True)
        layout(self.net.params, channels_last)
        for p in self.net.params.values():
            p.requires_grad_()
        self.x = torch.randn(batch, 3, 32, 32)
        if channels_last:
            self.x = self.x.contiguous(memory_format=torch.channels_last)
        self.labels = torch.randint(10, (batch,))
        self.sgd = torch.optim.SGD(decayed(self.net.params.values()), lr=0.1, momentum=0.9, nesterov=True)

    def step(self):
        _, y = self.net(self.x)
        self.sgd.zero_grad(set_to_none=True)
        F.cross_entropy(y, self.labels).backward()
        self.sgd.step()


class Convolution:
    """A 3x3 convolution of n images of h x h x c, or its gradient by the images or by the weights."""

    def __init__(self, n, c, h, channels_last):
        form = torch.channels_last if channels_last else torch.contiguous_format
        self.x = torch.randn(n, c, h, h).contiguous(memory_format=form)
        self.dy = torch.randn(n, c, h, h).contiguous(memory_format=form)
        self.w = torch.randn(c, c, 3, 3).contiguous(memory_format=form)

    def forward(self):
        with torch.no_grad():
            return F.conv2d(self.x, self.w, padding=1)

    def gradient(self, mask):
        return torch.ops.aten.convolution_backward(
            self.dy, self.x, self.w, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, mask
        )

    def input_gradient(self):
        self.gradient([True, False, False])

    def weight_gradient(self):
        self.gradient([False, True, False])
