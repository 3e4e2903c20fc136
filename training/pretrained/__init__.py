"""Files of weights: safetensors, HDF5 and ONNX, with or without the network's definition."""
