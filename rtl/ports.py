"""Ports with names that other tools expect, and the interfaces that they are."""

from types import SimpleNamespace

from amaranth.lib import wiring

__all__ = ["flat"]


def flat(component: wiring.Component, signature: wiring.Signature, prefix: str = "") -> SimpleNamespace:
    """Flat ports of ``component`` as an interface: ``<prefix><member>`` for each member of ``signature``."""
    return SimpleNamespace(signature=signature, **{name: getattr(component, prefix + name)
                                                   for name in signature.members})
