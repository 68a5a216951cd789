"""A measurement on file: its figures, its command, its commit. Imports neither torch nor Amaranth."""

import json
import subprocess
from pathlib import Path

__all__ = ["RESULTS", "write", "read"]

# Measurements that are committed, so that a page can name them.
RESULTS = Path(__file__).parents[1] / "results"


def write(name: str, command: str, figures: dict) -> Path:
    """Write ``results/NAME.json``.

    Parameters
    ----------
    name : str
    command : str
        What to run to get the figures again.
    figures : dict
        Plain JSON values.

    Returns
    -------
    Path
        The file. Its ``commit`` ends in ``+`` where the checkout differed from it.
    """
    described = subprocess.run(["git", "describe", "--always", "--abbrev=10", "--exclude=*", "--dirty=+"],
                               cwd=RESULTS.parent, capture_output=True, encoding="utf-8")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"command": command, "commit": described.stdout.strip() or "unknown",
                                "figures": figures}, indent=1) + "\n")
    return path


def read(name: str) -> dict | None:
    """Figures of the last measurement called ``name``; None if there is none."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text())["figures"] if path.exists() else None
