import pytest

from model.training.layers import FloatNetwork


@pytest.fixture(autouse=True)
def eager(request, monkeypatch):
    """Trainings of a few steps do not pay for their compilation; a test that is marked ``compiled`` does."""
    if "compiled" not in request.keywords:
        monkeypatch.setattr(FloatNetwork, "compile_layers", lambda network: None)
