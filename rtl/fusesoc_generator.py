"""The generator of ``firstlight.core``: FuseSoC runs this file where the Verilog shall lie."""

import json
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def main(request: Path):
    """Write Verilog into the current folder, and a core that has it.

    Parameters
    ----------
    request : Path
        What FuseSoC asks for: ``vlnv``, the name of the core, and ``parameters``, options of ``python -m rtl verilog``.
    """
    asked, folder = yaml.safe_load(request.read_text()), Path.cwd()
    options = [f"--{name}={value}" for name, value in asked["parameters"].items()]
    written = subprocess.run([sys.executable, "-m", "rtl", "verilog", *options, f"--out={folder}"], cwd=ROOT)
    if written.returncode:
        sys.exit(written.returncode)
    core = {
        "name": asked["vlnv"],
        "filesets": {"rtl": {"files": sorted(path.name for path in folder.glob("*.sv")),
                             "file_type": "systemVerilogSource"}},
        "targets": {"default": {"filesets": ["rtl"]}},
    }
    # JSON is YAML.
    (folder / "firstlight.core").write_text(f"CAPI=2:\n{json.dumps(core, indent=2)}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
