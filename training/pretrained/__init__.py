"""Weights as files: safetensors, HDF5, ONNX; a whole model, or its weights alone."""
