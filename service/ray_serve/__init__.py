"""The service over a Ray cluster: `python -m service.ray_serve`. Needs `deepshelf[ray]`.

The same application runs as ingress on every node, and each model is a separate deployment that
scales with its load. Only inference and text generation run on the replicas; parsing, admission,
decoding, encoding and error handling stay in the ingress.
"""
