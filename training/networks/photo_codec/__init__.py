"""A learned codec for photographs: transform, integer entropy model, and the network of both."""

from training.networks.photo_codec.network import PhotoCodec

__all__ = ["PhotoCodec"]
