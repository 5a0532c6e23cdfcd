"""PyTorch's side of the benchmarks: answers requests on standard input, one JSON object a line, on standard output.

    {"do": "open", "id": "a", "work": "Q" | "G" | "train" | "conv", "layout": "nchw" | "channels_last", ...}
    {"do": "run", "id": "a", "steps": 3}    {"seconds": [...]}, of each step
    {"do": "close", "id": "a"}
    {"do": "memory"}                        {"rss": ..., "peak": ...}, in bytes; peak since the last such request

Every answer is one line; {"error": ...} where a request failed. --threads N says on how many to work.
"""

import argparse
import ctypes
import gc
import json
import sys
import time
import traceback

import torch

from steps import Convolution, Game, Training


def opened(r):
    """Returns the function that takes a step."""
    channels_last = {"nchw": False, "channels_last": True}[r["layout"]]
    if r["work"] in ("Q", "G"):
        game = Game(r["network"], r["batch"], channels_last)
        return {"Q": game.step_q, "G": game.step_g}[r["work"]]
    if r["work"] == "train":
        return Training(r["network"], r["batch"], channels_last).step
    conv = Convolution(r["batch"], r["channels"], r["size"], channels_last)
    return {"forward": conv.forward, "input gradient": conv.input_gradient, "weight gradient": conv.weight_gradient}[r["pass"]]


def timed(step, steps):
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return seconds


def memory():
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    answer = {"rss": int(status["VmRSS"].split()[0]) << 10, "peak": int(status["VmHWM"].split()[0]) << 10}
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")  # the peak begins anew
    return answer


def blas():
    """The library behind matrix products: the reference one would make a poor peer."""
    maps = open("/proc/self/maps").read()
    return next((name for name in ("openblas", "mkl", "blis", "atlas") if name in maps), "reference")


class Peer:
    def __init__(self):
        self.works = {}

    def answer(self, r):
        if r["do"] == "hello":
            return {"torch": torch.__version__, "threads": torch.get_num_threads(), "blas": blas()}
        if r["do"] == "open":
            self.works[r["id"]] = opened(r)
            return {}
        if r["do"] == "run":
            return {"seconds": timed(self.works[r["id"]], r["steps"])}
        if r["do"] == "close":
            del self.works[r["id"]]
            gc.collect()
            return {}
        if r["do"] == "memory":
            return memory()
        raise ValueError(f"unknown request {r['do']!r}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    torch.manual_seed(0)
    peer = Peer()
    for line in sys.stdin:
        try:
            answer = peer.answer(json.loads(line))
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
