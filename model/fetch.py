"""Files that others publish and that the project does not carry. Imports neither torch nor Amaranth."""

import os
from dataclasses import dataclass
from pathlib import Path

import pooch

__all__ = ["FOLDER", "File", "FILES", "fetch"]

# The environment variable that names a folder in which files are looked for first, as FOLDER/NAME.
FOLDER = "FIRSTLIGHT_DATA"


@dataclass(frozen=True, kw_only=True)
class File:
    """A file as its publisher serves it.

    Parameters
    ----------
    url : str
    digest : str
        Of the bytes that ``url`` serves: ``sha256:...``, or ``md5:...`` where only that is published.
    licence : str
    """

    url: str
    digest: str
    licence: str


_OPENROAD = "https://raw.githubusercontent.com/The-OpenROAD-Project"
_FLOW = f"{_OPENROAD}/OpenROAD-flow-scripts"
_ASAP7 = f"{_FLOW}/9a3c144668d0924e8420f00795164be1b6bc7c93/flow/platforms/asap7/lib"
_ASAP7_SEQUENTIAL = f"{_FLOW}/1411a20ae3a4394902770728cc5b1497fdcbc829/flow/platforms/asap7/lib/NLDM"

_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"
_FASHION = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion"


def _idx(folder: str, url: str, licence: str, **digests: str) -> dict[str, File]:
    """The four files of MNIST, or of a dataset that took its format."""
    names = {f"{part}_{kind}": f"{part}-{kind}-idx{dimensions}-ubyte.gz"
             for part in ("train", "t10k") for kind, dimensions in (("images", 3), ("labels", 1))}
    return {f"{folder}/{names[key]}": File(url=f"{url}/{names[key]}", digest=f"md5:{digest}", licence=licence)
            for key, digest in digests.items()}


FILES = {
    **_idx("mnist", _MNIST, "CC-BY-SA-3.0",
           train_images="f68b3c2dcbeaaa9fbdd348bbdeb94873", train_labels="d53e105ee54ea40749a09fcbcd1e9432",
           t10k_images="9fb629c4189551a2d022fa330f9573f3", t10k_labels="ec29112dd5afa0611ce80d1b7f02629c"),
    **_idx("fashion-mnist", _FASHION, "MIT",
           train_images="8d4fb7e6c68d591d4c3dfef9ec88bf0d", train_labels="25c81989df183df01b3e8a0aad5dffbe",
           t10k_images="bef4ecab320f06d8554ea6380940ec79", t10k_labels="bb300cfdad3c16e7a12a480ee83cd310"),
    # Its authors state no licence; cite Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
    "cifar10/cifar-10-binary.tar.gz": File(
        url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", licence="none stated",
        digest="md5:c32a1d4ab5d03f1284b67883e8d87530"),
    # SkyWater 130 nm, high density, typical corner: 25 degrees, 1.8 V.
    "sky130hd/sky130hd_tt.lib": File(
        url=f"{_OPENROAD}/OpenROAD/master/test/sky130hd/sky130hd_tt.lib", licence="Apache-2.0",
        digest="sha256:70a45bf9b5ea8f6a701dc34744b5c767b38e1af31b1d1f97309a97ec64603ecf"),
    # ASAP7, a predictive 7 nm process, regular threshold, typical corner: 25 degrees, 0.7 V.
    "asap7/asap7sc7p5t_SIMPLE_RVT_TT_nldm_211120.lib": File(
        url=f"{_ASAP7}/asap7sc7p5t_SIMPLE_RVT_TT_nldm_211120.lib", licence="BSD-3-Clause",
        digest="sha256:fa92e6ab1481810602811b1eea54bc016a341f11fb5188d7512c026599adf038"),
    "asap7/asap7sc7p5t_INVBUF_RVT_TT_nldm_220122.lib": File(
        url=f"{_ASAP7}/asap7sc7p5t_INVBUF_RVT_TT_nldm_220122.lib", licence="BSD-3-Clause",
        digest="sha256:a4ceb32e418e1aac8667e28fbd8e9e46baf520180be4db075598a4d7c681a56e"),
    "asap7/asap7sc7p5t_AO_RVT_TT_nldm_211120.lib": File(
        url=f"{_ASAP7}/asap7sc7p5t_AO_RVT_TT_nldm_211120.lib", licence="BSD-3-Clause",
        digest="sha256:b1ece108c0a2acd8d01c05cee6daee2834425037b1d9aad625d6f1dd640f1940"),
    "asap7/asap7sc7p5t_OA_RVT_TT_nldm_211120.lib": File(
        url=f"{_ASAP7}/asap7sc7p5t_OA_RVT_TT_nldm_211120.lib", licence="BSD-3-Clause",
        digest="sha256:6529c6c72465cd133dfbfb03952327ab2774bb6aa4be866d78fd7bc6c58c9f6f"),
    "asap7/asap7sc7p5t_SEQ_RVT_TT_nldm_220123.lib": File(
        url=f"{_ASAP7_SEQUENTIAL}/asap7sc7p5t_SEQ_RVT_TT_nldm_220123.lib", licence="BSD-3-Clause",
        digest="sha256:57a0b403485b99ebd676942af4673ac086b86c7c75fbdc3e5c0038501dd22ba3"),
}


def fetch(name: str) -> Path:
    """The path of a file of :data:`FILES`.

    A file ``NAME`` in the folder that ``FIRSTLIGHT_DATA`` names is taken as it is. Any other is downloaded once,
    checked against its digest, and kept in the user's cache.

    Raises
    ------
    ValueError
        If the project knows no file of that name.
    OSError
        If it is neither in that folder nor to be had from its publisher.
    """
    if name not in FILES:
        raise ValueError(f"there is no known file called {name!r}; there are {', '.join(FILES)}")
    folder = os.environ.get(FOLDER)
    if folder and (given := Path(folder) / name).is_file():
        return given
    known = FILES[name]
    cache = pooch.os_cache("firstlight")
    pooch.get_logger().setLevel("WARNING")
    try:
        return Path(pooch.retrieve(known.url, known.digest, fname=name, path=cache))
    except ValueError:
        reason = f"what {known.url} serves is not the file that is known by its digest, {known.digest}"
    except OSError as error:
        reason = f"{known.url} cannot be had ({type(error).__name__})"
    looked = f"neither {folder} ({FOLDER}) nor {cache} holds it" if folder else f"it is not in {cache}"
    raise OSError(f"{name} is missing: {looked}, and {reason}; "
                  f"put it at {name} in a folder and set {FOLDER} to that folder")
