"""Writes quantized models as ONNX Runtime's quantize_static does: QuantizeLinear and DequantizeLinear around every operator.

    foreign.py DIR    DIR/<activations>_<weights>_<granularity>_<bias>.onnx
"""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TYPES = {"u8": (np.uint8, 0, 255), "s8": (np.int8, -128, 127)}


class Model:
    def __init__(self, activations, weights, per_channel, bias):
        self.activations, self.weights, self.per_channel, self.bias = activations, weights, per_channel, bias
        self.random = np.random.default_rng(7)
        self.nodes, self.constants, self.scales = [], [], {}

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], name=output + "_" + op, **attributes))
        return output

    def quantize(self, name, lo, hi):
        """QuantizeLinear and DequantizeLinear behind a tensor whose values are mostly between lo and hi."""
        dtype, least, most = TYPES[self.activations]
        scale = np.float32((hi - lo) / 255)
        zero = dtype(np.clip(round(least - lo / scale), least, most))
        s, z = self.constant(name + "_scale", scale), self.constant(name + "_zero_point", zero)
        self.node("QuantizeLinear", [name, s, z], name + "_QuantizeLinear_Output")
        out = self.node("DequantizeLinear", [name + "_QuantizeLinear_Output", s, z], name + "_DequantizeLinear_Output")
        self.scales[out] = scale
        return out

    def weight(self, name, shape, x):
        """The dequantized weight and bias of a layer that reads x."""
        dtype, least, most = TYPES[self.weights]
        w = self.random.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape).astype(np.float32)
        axes = tuple(range(1, len(shape))) if self.per_channel else None
        lo, hi = np.minimum(w.min(axis=axes), 0), np.maximum(w.max(axis=axes), 0)
        if self.weights == "s8":
            scale = (np.maximum(-lo, hi) / 127).astype(np.float32)
            zero = np.zeros_like(scale)
        else:
            scale = ((hi - lo) / 255).astype(np.float32)
            zero = np.round(-lo / scale)
        spread = (lambda v: v.reshape((-1,) + (1,) * (len(shape) - 1))) if self.per_channel else (lambda v: v)
        q = np.clip(np.round(w / spread(scale)) + spread(zero), least, most).astype(dtype)
        axis = {"axis": 0} if self.per_channel else {}
        inputs = [self.constant(name + "_quantized", q), self.constant(name + "_scale", scale), self.constant(name + "_zero_point", zero.astype(dtype))]
        out = [self.node("DequantizeLinear", inputs, name + "_DequantizeLinear_Output", **axis)]
        b = self.random.normal(0, 0.3, shape[0]).astype(np.float32)
        if self.bias == "int32":
            s = np.float32(self.scales[x]) * scale
            inputs = [self.constant(name + "_bias_quantized", np.round(b / s).astype(np.int32)), self.constant(name + "_bias_quantized_scale", s),
                      self.constant(name + "_bias_quantized_zero_point", np.zeros_like(s, dtype=np.int32))]
            out.append(self.node("DequantizeLinear", inputs, name + "_bias_DequantizeLinear_Output", **axis))
        elif self.bias == "float":
            out.append(self.constant(name + "_bias", b))
        return out

    def build(self):
        def conv(name, x, cin, cout, k, lo, hi, relu=False, **attributes):
            y = self.node("Conv", [x] + self.weight(name + "_w", (cout, cin, k, k), x), name, kernel_shape=[k, k], **attributes)
            if relu:
                y = self.node("Relu", [y], name + "_relu")
            return self.quantize(y, lo, hi)

        x = self.quantize("input", -3, 3)
        a = conv("conv1", x, 3, 10, 3, 0, 3, relu=True, pads=[1, 1, 1, 1])
        b = conv("depthwise", a, 1, 10, 3, -3, 3, pads=[1, 1, 1, 1], group=10)
        c = conv("pointwise", b, 10, 10, 1, -3, 3)
        s = self.quantize(self.node("Add", [c, a], "sum"), -3, 5)
        p = self.node("MaxPool", [s], "pooled", kernel_shape=[2, 2], strides=[2, 2])
        # A MaxPool keeps the grid of what it reads.
        p = self.node("QuantizeLinear", [p, "sum_scale", "sum_zero_point"], "pooled_QuantizeLinear_Output")
        p = self.node("DequantizeLinear", [p, "sum_scale", "sum_zero_point"], "pooled_DequantizeLinear_Output")
        self.scales[p] = self.scales[s]
        l = self.quantize(self.node("LeakyRelu", [p], "leaky", alpha=0.1), -1, 4)
        g = self.quantize(self.node("Sigmoid", [p], "gate"), 0, 1)
        m = self.quantize(self.node("Mul", [l, g], "product"), -1, 4)
        j = self.quantize(self.node("Concat", [m, p], "joined", axis=1), -2, 5)
        d = conv("down", j, 20, 12, 3, -4, 4, strides=[2, 2], pads=[0, 0, 1, 1])
        e = self.quantize(self.node("AveragePool", [d], "average", kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1]), -3, 3)
        f = self.quantize(self.node("GlobalAveragePool", [e], "mean"), -2, 2)
        h = self.node("Flatten", [f], "flat", axis=1)
        if self.weights == "s8" and not self.per_channel:
            self.scales["flat_DequantizeLinear_Output"] = self.scales[f]
            h = self.node("QuantizeLinear", [h, "mean_scale", "mean_zero_point"], "flat_QuantizeLinear_Output")
            h = self.node("DequantizeLinear", [h, "mean_scale", "mean_zero_point"], "flat_DequantizeLinear_Output")
        else:
            self.scales[h] = self.scales[f]
        y = self.quantize(self.node("Gemm", [h] + self.weight("fc_w", (5, 12), h), "scores", transB=1), -3, 3)
        self.node("Softmax", [y], "output", axis=1)
        graph = helper.make_graph(
            self.nodes, "foreign", [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, 14, 18])],
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["N", 5])], self.constants)
        model = helper.make_model(graph, producer_name="foreign", opset_imports=[helper.make_opsetid("", 13)])
        model.ir_version = 7
        onnx.checker.check_model(model, full_check=True)
        return model


for activations in "u8", "s8":
    for weights in "s8", "u8":
        for granularity in "tensor", "channel":
            for bias in "int32", "float", "none":
                name = f"{sys.argv[1]}/{activations}_{weights}_{granularity}_{bias}.onnx"
                onnx.save(Model(activations, weights, granularity == "channel", bias).build(), name)
