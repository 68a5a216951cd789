"""Random networks that shrink to the smallest one that fails."""

from hypothesis import strategies

from cosim.random_networks import build

__all__ = ["networks"]


@strategies.composite
def networks(draw, **limits):
    """Cases; ``limits`` as of :func:`cosim.random_networks.build`."""
    return build(lambda options: draw(strategies.sampled_from(options)), **limits)
