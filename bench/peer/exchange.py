"""The state of a game, to and from zaq: float32 arrays one after the other in a file, with their names and lengths in the
request or the answer. Weights travel in zaq's layouts."""

import numpy as np
import torch


def from_zaq(v, shape):
    """[KH, KW, I, O] to [O, I, KH, KW], [K, M] to [M, K]."""
    if len(shape) == 4:
        o, i, h, w = shape
        return v.reshape(h, w, i, o).permute(3, 2, 0, 1)
    return v.reshape(shape[::-1]).t() if len(shape) == 2 else v


def to_zaq(v):
    if v.dim() == 4:
        v = v.permute(2, 3, 1, 0)
    elif v.dim() == 2:
        v = v.t()
    return v.detach().numpy().flatten()  # a copy: the step that follows writes in place


def load(game, r):
    """Sets the parameters of G and Q, and those of P as Q's; the statistics of the normalizations, in order, of both;
    and the sites."""
    data = torch.from_numpy(np.fromfile(r["file"], "<f4"))
    arrays = {}
    for name, n in r["arrays"]:
        arrays[name], data = data[:n], data[n:]
    with torch.no_grad():
        for name, p in game.g.params.items():
            p.copy_(from_zaq(arrays["generator " + name], p.shape))
        for name, p in game.q.params.items():
            p.copy_(from_zaq(arrays[name], p.shape))
            game.p.params[name].copy_(p)
        for i, stat in enumerate(game.p.stats.values()):
            stat.copy_(arrays[f"statistics {i}"])
    game.q.sites = [tuple(site) for site in r["sites"]]


def clear_noise(game, margin):
    """Noise on which no activation of either network is within the margin of where rounding changes or a ReLU bends:
    there another order of sums may fall to the other side, and then nothing that follows is comparable."""
    nets = (game.p, game.q) if margin > 0 else ()
    for _ in range(500):
        z = game.noise()
        with torch.no_grad():
            x = game.g(z)
            for net in nets:
                net.margin = 1
                net(x)
        clear = all(net.margin > margin for net in nets)
        for net in nets:
            net.margin = None
        if clear:
            return z
    raise ValueError(f"no noise with a margin of {margin}")


def trace(game, r):
    """Takes the step "Q" or "G" on new noise. The file gets all that the step began with, and its gradients before they
    are clipped."""
    z = clear_noise(game, r["margin"])
    arrays = [("z", z.numpy().flatten())]
    names = {p: "generator " + n for n, p in game.g.params.items()}
    names.update({p: n for n, p in game.q.params.items()})
    for optimizer, moments in ((game.adam, ("exp_avg", "exp_avg_sq")), (game.sgd, ("momentum_buffer",))):
        for p, name in names.items():
            if not any(p is q for group in optimizer.param_groups for q in group["params"]):
                continue
            arrays.append((name, to_zaq(p)))
            for moment in moments:
                # SGD keeps None where it has taken no step.
                v = optimizer.state.get(p, {}).get(moment)
                arrays.append((f"{moment} {name}", to_zaq(torch.zeros_like(p) if v is None else v)))
    do, df = {"Q": game.gradient_q, "G": game.gradient_g}[r["step"]](z)
    for p in {"Q": game.q, "G": game.g}[r["step"]].params.values():
        arrays.append(("gradient " + names[p], to_zaq(p.grad)))
    {"Q": game.update_q, "G": game.update_g}[r["step"]]()
    np.concatenate([a for _, a in arrays]).astype("<f4").tofile(r["file"])
    return {"arrays": [[n, len(a)] for n, a in arrays], "do": do.item(), "df": df.item()}
