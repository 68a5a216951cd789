"""Numbers that were measured or published elsewhere, each with its unit and where it is from."""

__all__ = ["Constant"]


class Constant(float):
    """A number to compute with, which knows its origin.

    Parameters
    ----------
    value : float
    unit : str
    source : str
        Who says so: authors, title or venue, year; and the commit, if it was read in code.
    """

    unit: str
    source: str

    def __new__(cls, value: float, unit: str, source: str) -> "Constant":
        made = super().__new__(cls, value)
        made.unit, made.source = unit, source
        return made
