"""The networks of package workload, as functions of their parameters, which have zaq's names and PyTorch's layouts."""

import math

import torch
import torch.nn.functional as F

from rounding import RoundActivation, RoundWeight

MOBILENET = [(1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]


class Network:
    """A classifier. Normalization is frozen, or, with train, on the statistics of the batch. With rounded, weights and
    the activations at the sites are on 4-bit grids; sites holds scale and zero point of each, in order, or nothing for
    activations that stay float."""

    def __init__(self, rounded=False, train=False):
        self.rounded, self.train = rounded, train
        self.params, self.stats, self.sites = {}, {}, []
        self.observe = False
        # Where it is a number: least distance of a value from where rounding changes, in steps, and from where the
        # activation bends, in mean absolute values.
        self.margin = None
        self.build(torch.zeros(2, 3, 32, 32))

    def build(self, x):
        """Makes the parameters by a walk over the layers."""
        self.making = True
        with torch.no_grad():
            self(x)
        self.making = False

    def parameter(self, name, make):
        if self.making:
            self.params[name] = make()
        return self.params[name]

    def weight(self, name, shape):
        fan_out = shape[0] * math.prod(shape[2:])
        w = self.parameter(name + ".weight", lambda: torch.randn(shape) * math.sqrt(2 / fan_out))
        return RoundWeight.apply(w) if self.rounded else w

    def conv_norm(self, conv, norm, x, cout, k=3, stride=1, groups=1):
        cin = x.shape[1]
        w = self.weight(conv, (cout, cin // groups, k, k))
        x = F.conv2d(x, w, None, stride, k // 2, 1, groups)
        gamma = self.parameter(norm + ".weight", lambda: torch.ones(cout))
        beta = self.parameter(norm + ".bias", lambda: torch.zeros(cout))
        if self.making:
            self.stats[norm + ".running_mean"], self.stats[norm + ".running_var"] = torch.zeros(cout), torch.ones(cout)
        mean, var = self.stats[norm + ".running_mean"], self.stats[norm + ".running_var"]
        return F.batch_norm(x, mean, var, gamma, beta, self.train, 0.1, 1e-5)

    def activate(self, x, limit=None):
        if self.margin is not None:
            size = x.detach().abs()
            self.margin = min(self.margin, (size.min() / size.mean()).item())
        x = F.relu(x, inplace=True) if limit is None else F.hardtanh(x, 0, limit, inplace=True)
        if not self.rounded:
            return x
        if self.making:
            self.sites.append((0.3, 0))
            return x
        if self.observe:
            self.sites[self.site] = (max(x.max().item(), 1e-6) / 15, 0)
        if not self.sites:
            return x
        scale, zero = self.sites[self.site]
        self.site += 1
        if self.margin is not None:
            steps = x.detach() / scale
            self.margin = min(self.margin, (steps - steps.floor() - 0.5).abs().min().item())
        return RoundActivation.apply(x, scale, zero)

    def classify(self, x, classes=10):
        x = x.mean((2, 3))
        c = x.shape[1]
        w = self.weight("fc", (classes, c))
        return F.linear(x, w, self.parameter("fc.bias", lambda: torch.zeros(classes)))

    def __call__(self, x):
        """Returns the feature maps that are compared, and the logits."""
        self.site = 0
        return self.forward(x)


class ResNet(Network):
    """Its features are the outputs of the blocks, behind ReLU and rounding."""

    def __init__(self, blocks, width, **options):
        self.blocks, self.width = blocks, width
        super().__init__(**options)

    def forward(self, x):
        features = []
        x = self.activate(self.conv_norm("conv1", "bn1", x, self.width))
        for stage in range(3):
            c = self.width << stage
            for block in range(self.blocks):
                n = f"layer{stage + 1}.{block}."
                stride = 2 if c != x.shape[1] else 1
                y = self.activate(self.conv_norm(n + "conv1", n + "bn1", x, c, 3, stride))
                y = self.conv_norm(n + "conv2", n + "bn2", y, c)
                if stride == 2:
                    new = c - x.shape[1]
                    x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, new // 2, new - new // 2))
                x = self.activate(y.add_(x))
                features.append(x)
        return features, self.classify(x)


class MobileNetV2(Network):
    """Its features are the ten residual sums, which nothing rounds."""

    def forward(self, x):
        features = []
        x = self.activate(self.conv_norm("stem", "stem.bn", x, 32), 6)
        for i, (t, c, n, s) in enumerate(MOBILENET):
            for j in range(n):
                name, stride, cin = f"stage{i + 1}.{j}.", s if j == 0 else 1, x.shape[1]
                y, wide = x, cin * t
                if t > 1:
                    y = self.activate(self.conv_norm(name + "expand", name + "expand.bn", y, wide, 1), 6)
                y = self.activate(self.conv_norm(name + "depthwise", name + "depthwise.bn", y, wide, 3, stride, wide), 6)
                y = self.conv_norm(name + "project", name + "project.bn", y, c, 1)
                if stride == 1 and cin == c:
                    y = y.add_(x)
                    features.append(y)
                x = y
        x = self.activate(self.conv_norm("head", "head.bn", x, 1280, 1), 6)
        return features, self.classify(x)


class Generator:
    """Noise of 256 numbers to images of 32 x 32 x 3 with mean 0 and deviation 1, clipped as pixels are."""

    LATENT, FEATURES = 256, 64

    def __init__(self, channels_last):
        f = self.FEATURES
        self.channels_last = channels_last
        uniform = lambda shape, fan: (torch.rand(shape) * 2 - 1) / math.sqrt(fan)
        self.params = {
            "linear weight": uniform((64 * 2 * f, self.LATENT), self.LATENT),
            "linear bias": uniform(64 * 2 * f, self.LATENT),
            "conv 1 weight": uniform((2 * f, 2 * f, 3, 3), 9 * 2 * f),
            "conv 2 weight": uniform((f, 2 * f, 3, 3), 9 * 2 * f),
            "conv 3 weight": uniform((3, f, 3, 3), 9 * f),
        }
        for i, c in enumerate((2 * f, 2 * f, f)):
            self.params[f"norm {i} gamma"], self.params[f"norm {i} beta"] = torch.ones(c), torch.zeros(c)

    def norm(self, x, i):
        return F.batch_norm(x, None, None, self.params[f"norm {i} gamma"], self.params[f"norm {i} beta"], True, 0, 1e-5)

    def __call__(self, z):
        p = self.params
        x = F.linear(z, p["linear weight"], p["linear bias"])
        if self.channels_last:  # the order of the linear layer's outputs is free
            x = x.view(-1, 8, 8, 2 * self.FEATURES).permute(0, 3, 1, 2)
        else:
            x = x.view(-1, 2 * self.FEATURES, 8, 8)
        x = self.norm(x, 0)
        for i in (1, 2):
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = self.norm(F.conv2d(x, p[f"conv {i} weight"], padding=1), i)
            x = F.leaky_relu(x, 0.2, inplace=True)
        x = torch.tanh(F.conv2d(x, p["conv 3 weight"], padding=1))
        x = F.batch_norm(x, None, None, None, None, True, 0, 1e-5)
        # Pixels are 120 + 64 x in 0..255, and inputs (pixel - 120) / 64.
        return torch.clamp(x, -120 / 64, (255 - 120) / 64)
