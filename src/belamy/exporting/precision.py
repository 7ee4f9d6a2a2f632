"""Exported models in fewer bits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

PRECISIONS = ("fp32", "fp16", "int8")


def converted(path: Path, precision: str, examples: dict[str, Tensor]) -> None:
    """Rewrites an ONNX file: "fp16" halves all numbers, "int8" rounds weights and maps as ``examples`` need them.

    Inputs and output stay float32.
    """
    import onnx

    if precision == "fp16":
        from onnxruntime.transformers.float16 import convert_float_to_float16

        onnx.save(convert_float_to_float16(onnx.load(path), keep_io_types=True), path)
        return
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Examples(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rows: Iterator[dict[str, Any]] = iter([{name: value.numpy() for name, value in examples.items()}])

        def get_next(self) -> dict[str, Any] | None:
            return next(self.rows, None)

    ready = path.with_name(f"{path.stem}.ready.onnx")
    try:
        quant_pre_process(path, ready, skip_symbolic_shape=True)
        quantize_static(
            ready, path, Examples(), quant_format=QuantFormat.QDQ, per_channel=True, weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8, op_types_to_quantize=["Conv", "ConvTranspose", "MatMul", "Gemm"],
        )  # fmt: skip
    finally:
        ready.unlink(missing_ok=True)
