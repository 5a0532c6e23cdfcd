"""Compares ONNX files pairwise: original, rewritten, original, rewritten, ...

Two files mean the same if they are equal once tensors have one form (raw_data) and singular fields that
state their default are left out. Every rewritten file must also pass the checker of ONNX wherever the
original does.
"""
import sys

import onnx
from onnx import numpy_helper


def canonical(message):
    if isinstance(message, onnx.TensorProto) and message.data_type != onnx.TensorProto.STRING:
        array = numpy_helper.to_array(message)
        for field in ("float_data", "int32_data", "int64_data", "double_data", "uint64_data",
                      "external_data", "data_location"):
            message.ClearField(field)
        message.raw_data = array.tobytes()
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for child in value if field.label == field.LABEL_REPEATED else [value]:
                canonical(child)
        elif field.label != field.LABEL_REPEATED and value == field.default_value \
                and not field.containing_oneof:
            message.ClearField(field.name)
    return message


def valid(model):
    try:
        onnx.checker.check_model(model)
        return True
    except onnx.checker.ValidationError:
        return False


failures = 0
for original, rewritten in zip(sys.argv[1::2], sys.argv[2::2]):
    a, b = onnx.load(original), onnx.load(rewritten)
    if valid(a) and not valid(b):
        print(f"{rewritten}: no longer valid")
        failures += 1
    if canonical(a).SerializeToString(deterministic=True) != canonical(b).SerializeToString(deterministic=True):
        print(f"{rewritten}: differs from {original}")
        failures += 1
sys.exit(failures != 0)
