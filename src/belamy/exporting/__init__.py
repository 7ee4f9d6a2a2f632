"""Trained models out of Python: as ONNX, and as programs of torch.export."""
