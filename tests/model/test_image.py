import zlib

import numpy as np
import pytest

from cosim.random_networks import seeded
from model.compiler import compile
from model.config import SILENT, ProcessorConfig, Target, preset
from model.image import Image, ImageError, granules, picture

CFG = ProcessorConfig(columns=16, tiles=2, rows=8192, spike_words=1024)


@pytest.fixture(scope="module")
def image():
    return compile(seeded(3).network, CFG)


def sealed(words):
    """The file of ``words``, with the length and the CRC they should have."""
    words = np.array(words, "<u4")
    words[2] = len(words)
    body = words[:-1].tobytes()
    return body + zlib.crc32(body).to_bytes(4, "little")


def words_of(image):
    return np.frombuffer(image.to_bytes(), "<u4").copy()


def test_reads_what_it_wrote(image):
    again = Image.from_bytes(image.to_bytes())
    assert again.to_bytes() == image.to_bytes()
    assert again.descriptors == image.descriptors
    for name in ("name", "columns", "tiles", "encoders", "span", "numerics", "timesteps", "classes", "rule", "shift",
                 "threshold", "shape", "coding"):
        assert getattr(again, name) == getattr(image, name), name


@pytest.mark.parametrize("kept", [0, 4, 80])
def test_refuses_a_file_without_a_header(image, kept):
    with pytest.raises(ImageError, match=f"at least 80 bytes and a multiple of 4, found {kept}$" if kept < 80 else
                       "should have .* words, found 20"):
        Image.from_bytes(image.to_bytes()[:kept])


def test_refuses_a_truncated_file(image):
    whole = image.to_bytes()
    with pytest.raises(ImageError, match=f"should have {len(whole) // 4} words, found {len(whole) // 4 - 1}: "
                                         "it is truncated or extended"):
        Image.from_bytes(whole[:-4])


def test_refuses_an_extended_file(image):
    with pytest.raises(ImageError, match="truncated or extended"):
        Image.from_bytes(image.to_bytes() + bytes(4))


def test_refuses_half_a_word(image):
    with pytest.raises(ImageError, match="a multiple of 4"):
        Image.from_bytes(image.to_bytes()[:-1])


def test_refuses_another_file():
    with pytest.raises(ImageError, match=r"starts with the letters FLIM, found b'\\x7fELF'"):
        Image.from_bytes(b"\x7fELF" + bytes(200))


def test_refuses_another_version(image):
    words = words_of(image)
    words[1] = 1
    with pytest.raises(ImageError, match="format version 1, this loader reads version 7"):
        Image.from_bytes(sealed(words))


def test_refuses_every_flipped_bit(image):
    whole = image.to_bytes()
    rng, refused = np.random.default_rng(1), 0
    for position in rng.choice(len(whole) * 8, 200, replace=False):
        flipped = bytearray(whole)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(ImageError):
            Image.from_bytes(bytes(flipped))
        refused += 1
    assert refused == 200


def test_names_the_crc_of_a_corrupt_file(image):
    whole = bytearray(image.to_bytes())
    whole[100] ^= 1
    with pytest.raises(ImageError, match="the image's CRC is [0-9a-f]{8}, its content has [0-9a-f]{8}: it is corrupt"):
        Image.from_bytes(bytes(whole))


def test_refuses_a_section_that_leads_beyond_the_end(image):
    words = words_of(image)
    words[21] += 1000                   # entries of the first section
    with pytest.raises(ImageError, match="the section that starts at word 19 reaches beyond the end of the image"):
        Image.from_bytes(sealed(words))


def test_refuses_descriptors_of_other_layers(image):
    words, layers = words_of(image), len(image.descriptors)
    words[5] += 1                       # layers of the network register
    with pytest.raises(ImageError, match=rf"{layers + 1} layers are one section.*, found \[{16 * layers}\]$"):
        Image.from_bytes(sealed(words))


@pytest.mark.parametrize("change, message", [
    ({"columns": 32}, "compiled for columns = 16, the processor has 32"),
    ({"tiles": 1}, "compiled for tiles = 2, the processor has 1"),
    ({"encoders": 8}, "compiled for encoders = 4, the processor has 8"),
    ({"span": 2}, "compiled for span = 1, the processor has 2"),
])
def test_refuses_another_processor(image, change, message):
    with pytest.raises(ImageError, match=message):
        image.check(ProcessorConfig(**{"columns": 16, "tiles": 2, **change}))


def test_packs_fields_from_the_lowest_bit_and_fills_up_with_ones():
    assert granules(np.array([[1, 2, 3]]), 5).tolist() == [[0xffff_8000 | 3 << 10 | 2 << 5 | 1]]
    assert granules(np.arange(16)[None], 5).shape == (1, 3)


def test_a_picture_fills_one_entry_per_word_of_a_pixel():
    rng = np.random.default_rng(1)
    checked = 0
    # Words that the channels do not reach keep their place.
    for channels, words, parts in ((1, 1, 1), (6, 1, 1), (7, 1, 2), (16, 1, 3), (17, 2, 3), (33, 4, 3), (70, 8, 3)):
        codes = rng.integers(0, 32, (channels, 2, 3)).astype(np.uint8)
        section = picture(codes, words)
        assert (section.target, section.address) == (Target.SPIKES, 0)
        assert section.entries.shape == (2 * 3 * words, parts)
        # As the loader sees an entry: everything that is not brought is ones.
        full = np.pad(section.entries, ((0, 0), (0, 3 - parts)), constant_values=0xffff_ffff)
        bits = np.unpackbits(full.astype("<u4").view(np.uint8), axis=1, bitorder="little")[:, :80]
        lanes = (bits.reshape(-1, 16, 5) << np.arange(5)).sum(2).reshape(2, 3, -1)
        assert (lanes[..., :channels] == codes.transpose(1, 2, 0)).all()
        assert (lanes[..., channels:] == SILENT).all()
        checked += lanes.size
    assert checked == 6 * 16 * (1 + 1 + 1 + 1 + 2 + 4 + 8)


def test_presets_load_their_own_images():
    compile(seeded(3, channels=(2, 5), classes=range(2, 10)).network, preset("tiny")).check(preset("tiny"))
