"""Publish ONNX models that were made elsewhere: `deepshelf models add`. Needs `deepshelf[import]`.

read the file → rewrite its graph → run it in a child process → publish by the usual contract
"""
