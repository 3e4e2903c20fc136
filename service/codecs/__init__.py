"""Conversion between bytes and arrays: images, tensors, compressed bodies."""
