"""The service over a Ray cluster: `python -m service.ray_serve`. Needs `deepshelf[ray]`.

The same application answers on every node, and each model is a deployment of its own that grows and
shrinks with its load. What a request is, what is rejected, decoded, encoded and told stays where it
was; only a graph's run, and the writing of a text, happen elsewhere.
"""
