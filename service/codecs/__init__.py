"""Bytes ↔ arrays: pictures in and out, and pictures of any size in tiles."""
