"""Bytes ↔ arrays: images in and out, and images of any size in tiles."""
