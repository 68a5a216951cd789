"""The binary a processor loads: little-endian 32-bit words with a version, sizes and a CRC.

==============  =======================================================================================
word            content
==============  =======================================================================================
0               ``MAGIC``, the letters FLIM
1               format version
2               words of the file, from the magic to the CRC
3               columns [15:0], tiles [23:16], encoders [31:24]: the processor it was compiled for
4               fraction width [7:0], accumulator width [15:8], span [23:16], walkers [31:24]
5               the ``network`` register: layers [7:0], timesteps [15:8], classes [31:16]
6               the ``exit`` register: rule [1:0], shift [12:8]
7               the ``exit_threshold`` register
8               input channels [15:0], input window [23:16], tau [27:24], nearest [28]
9               input height [15:0], width [31:16]
10              how the picture is unfolded: kernel [7:0], stride [15:8], padding [23:16], 0 if it is not;
                bytes of a beat of the memory [31:24], 0 without a memory
11 to 18        the network's name, UTF-8, filled up with zeros
19 to n - 2     sections; all but those of ``Target.MEMORY`` exactly as the load window takes them
n - 1           CRC-32 (zlib) of all words before
==============  =======================================================================================

A section is a head of three words, then ``entries`` entries of ``granules`` words for consecutive
addresses of one memory. Bits that an entry does not bring are ones, which is silence in a spike word:

==============  =======================================================================================
head            content
==============  =======================================================================================
0               target [7:0] (:class:`Target`, or ``Target.TILES`` + tile), granules [15:8]
1               address of the first entry
2               entries
==============  =======================================================================================

Entries of ``Target.MEMORY`` are beats of the memory bus, and their address counts beats. The host lays them into the
memory, the first word in the lowest bytes, before a run begins. They hold the weights of the layers that are streamed,
one column group after the other, as :func:`model.memory.block` packs them, from ``weight_base`` of the layer on. An
empty section says where the words end that move behind them during a run.
"""

import zlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .coding import Coding, Unfold, picture_codes
from .config import (
    CODE_WIDTH,
    GRANULE_WIDTH,
    LANES,
    SILENT,
    WORD_WIDTH,
    Numerics,
    ProcessorConfig,
    Rule,
    Target,
)
from .descriptor import DESCRIPTOR_WORDS, pack, unpack

__all__ = ["MAGIC", "VERSION", "SECTION_HEAD_WORDS", "ImageError", "Section", "Image", "granules", "picture_beat",
           "picture"]

MAGIC = int.from_bytes(b"FLIM", "little")
VERSION = 7
NAME_WORDS = 8
NAME_WORD = 11
HEADER_WORDS = NAME_WORD + NAME_WORDS
SECTION_HEAD_WORDS = 3


class ImageError(ValueError):
    """A file that is no image this processor can load; the message says what is wrong with it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Section:
    """Consecutive entries of one memory.

    Parameters
    ----------
    target : int
    address : int
        Of the first entry.
    entries : ndarray, uint32, (entries, granules)
    """

    target: int
    address: int
    entries: np.ndarray

    def words(self) -> np.ndarray:
        """The section as the load window takes it: uint32, (words,)."""
        entries, granules = self.entries.shape
        head = np.array([self.target | granules << 8, self.address, entries], np.uint32)
        return np.concatenate([head, self.entries.ravel()])


@dataclass(frozen=True, kw_only=True, eq=False)
class Image:
    """A network compiled for one processor.

    Parameters
    ----------
    name : str
    columns, tiles, walkers, encoders, span, memory_width : int
        Of the processor it was compiled for.
    numerics : Numerics
    timesteps, classes : int
    rule : Rule
    shift, threshold : int
        See :class:`model.exit.Settings`.
    shape : tuple of int
        Channels, height and width of the input.
    coding : Coding
        Of the input spikes.
    unfold : Unfold, optional
        How a picture is laid out.
    sections : tuple of Section
    """

    name: str
    columns: int
    tiles: int
    walkers: int
    encoders: int
    span: int
    memory_width: int
    numerics: Numerics
    timesteps: int
    classes: int
    rule: Rule
    shift: int
    threshold: int
    shape: tuple[int, int, int]
    coding: Coding
    unfold: Unfold | None
    sections: tuple[Section, ...]

    @cached_property
    def descriptors(self) -> list[dict[str, int]]:
        """The fields of each layer's descriptor."""
        words, = (section.entries[:, 0] for section in self.sections if section.target == Target.DESCRIPTORS)
        return [unpack(layer.tolist()) for layer in words.reshape(-1, DESCRIPTOR_WORDS)]

    @property
    def network_register(self) -> int:
        return len(self.descriptors) | self.timesteps << 8 | self.classes << 16

    @property
    def exit_register(self) -> int:
        return self.rule | self.shift << 8

    def encode(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures as the spikes that the network reads: uint8, (pictures, *shape).

        Parameters
        ----------
        pictures : ndarray, float, (pictures, channels, height, width)
            Pixels between 0 and 1.

        Raises
        ------
        ValueError
            If the network reads pictures of another size, or a pixel is not between 0 and 1.
        """
        return picture_codes(pictures, self.name, self.shape, self.coding, self.unfold)

    def picture(self, codes: np.ndarray) -> np.ndarray:
        """A picture as it lies in the memory, from where it is loaded: uint32, (words,).

        If it stays there, what is loaded is an empty section, and the words of the picture lie behind it.

        Parameters
        ----------
        codes : ndarray, uint8, (channels, height, width)
            Spike codes.
        """
        section, beat = picture(codes, self.picture_words), self.memory_width // GRANULE_WIDTH
        if not self.picture_stays:
            return section.words()
        missing = -(-WORD_WIDTH // GRANULE_WIDTH) - section.entries.shape[1]
        words = np.pad(section.entries, ((0, 0), (0, missing)), constant_values=0xffff_ffff)
        empty = replace(section, entries=section.entries[:0]).words()[None]
        return np.concatenate([np.pad(rows, ((0, 0), (0, -rows.shape[1] % beat))).ravel() for rows in (empty, words)])

    @property
    def picture_words(self) -> int:
        """Spike words from one pixel of the picture to the next."""
        return self.descriptors[0]["input_words"]

    def load_words(self) -> np.ndarray:
        """What is written to the load window: uint32, (words,)."""
        return np.concatenate([section.words() for section in self.sections if section.target != Target.MEMORY])

    @property
    def picture_stays(self) -> bool:
        """The picture lies in the memory during a run, since the spike store has no room for all of it."""
        return any(fields["picture"] for fields in self.descriptors)

    def moved(self, beats: int) -> "Image":
        """The same network, whose weights and moving words lie so many beats further up in the memory."""
        sections = []
        for section in self.sections:
            if section.target == Target.MEMORY:
                section = replace(section, address=section.address + beats)
            if section.target == Target.DESCRIPTORS:
                layers = [pack(fields | {"weight_base": fields["weight_base"] + beats * _lies_in_memory(fields)})
                          for fields in self.descriptors]
                section = replace(section, entries=np.array(layers, np.uint32).reshape(-1, 1))
            sections.append(section)
        return replace(self, sections=tuple(sections))

    def memory(self) -> bytes:
        """What lies in the memory, from address 0 on; there are zeros where words will move to."""
        content = bytearray()
        for section in self.sections:
            if section.target == Target.MEMORY:
                first = section.address * self.memory_width // 8
                content.extend(bytes(max(first - len(content), 0)))
                entries = section.entries.astype("<u4").tobytes()
                content[first:first + len(entries)] = entries
        return bytes(content)

    def to_bytes(self) -> bytes:
        """The file."""
        name = self.name.encode()[:4 * NAME_WORDS].ljust(4 * NAME_WORDS, b"\0")
        sections = np.concatenate([section.words() for section in self.sections])
        header = np.array([
            MAGIC, VERSION, HEADER_WORDS + len(sections) + 1,
            self.columns | self.tiles << 16 | self.encoders << 24,
            self.numerics.fraction_width | self.numerics.accumulator_width << 8 | self.span << 16
            | self.walkers << 24,
            self.network_register, self.exit_register, self.threshold,
            self.shape[0] | self.coding.window << 16 | self.coding.tau << 24 | self.coding.nearest << 28,
            self.shape[1] | self.shape[2] << 16,
            (self.unfold.kernel | self.unfold.stride << 8 | self.unfold.padding << 16 if self.unfold else 0)
            | self.memory_width // 8 << 24,
        ], "<u4")
        body = header.tobytes() + name + sections.astype("<u4").tobytes()
        return body + zlib.crc32(body).to_bytes(4, "little")

    @classmethod
    def from_bytes(cls, data: bytes) -> "Image":
        """Read a file.

        Raises
        ------
        ImageError
            If it is truncated, of another version, corrupt, or no image at all.
        """
        if len(data) < 4 * (HEADER_WORDS + 1) or len(data) % 4:
            raise ImageError(f"an image has at least {4 * (HEADER_WORDS + 1)} bytes and a multiple of 4, "
                             f"found {len(data)}")
        words = np.frombuffer(data, "<u4").astype(np.uint32)
        header = [int(word) for word in words[:HEADER_WORDS]]
        if header[0] != MAGIC:
            raise ImageError(f"an image starts with the letters FLIM, found {data[:4]!r}")
        if header[1] != VERSION:
            raise ImageError(f"the image has format version {header[1]}, this loader reads version {VERSION}")
        if header[2] != len(words):
            raise ImageError(f"the image should have {header[2]} words, found {len(words)}: "
                             "it is truncated or extended")
        crc = zlib.crc32(data[:-4])
        unfold = Unfold(kernel=header[10] & 0xff, stride=header[10] >> 8 & 0xff, padding=header[10] >> 16 & 0xff)
        if crc != int(words[-1]):
            raise ImageError(f"the image's CRC is {int(words[-1]):08x}, its content has {crc:08x}: it is corrupt")
        sections, layers = tuple(_sections(words[HEADER_WORDS:-1])), header[5] & 0xff
        described = [len(section.entries) for section in sections if section.target == Target.DESCRIPTORS]
        if described != [layers * DESCRIPTOR_WORDS]:
            raise ImageError(f"the descriptors of {layers} layers are one section of {layers * DESCRIPTOR_WORDS} "
                             f"entries, found {described}")
        return cls(name=data[4 * NAME_WORD:4 * HEADER_WORDS].rstrip(b"\0").decode(errors="replace"),
                   columns=header[3] & 0xffff, tiles=header[3] >> 16 & 0xff, encoders=header[3] >> 24,
                   span=header[4] >> 16 & 0xff, walkers=header[4] >> 24,
                   numerics=Numerics(fraction_width=header[4] & 0xff, accumulator_width=header[4] >> 8 & 0xff),
                   timesteps=header[5] >> 8 & 0xff, classes=header[5] >> 16,
                   rule=Rule(header[6] & 3), shift=header[6] >> 8, threshold=header[7],
                   shape=(header[8] & 0xffff, header[9] & 0xffff, header[9] >> 16),
                   coding=Coding(window=header[8] >> 16 & 0xff, tau=header[8] >> 24 & 0xf,
                                 nearest=bool(header[8] >> 28)),
                   memory_width=8 * (header[10] >> 24),
                   unfold=unfold if header[10] & 0xff_ffff else None, sections=sections)

    def check(self, cfg: ProcessorConfig):
        """Refuse a processor the image was not compiled for.

        Raises
        ------
        ImageError
            Names the first size that differs.
        """
        for name in ("columns", "tiles", "walkers", "encoders", "span", "memory_width", "numerics"):
            if getattr(self, name) != getattr(cfg, name):
                raise ImageError(f"the image of {self.name} was compiled for {name} = {getattr(self, name)}, "
                                 f"the processor has {getattr(cfg, name)}")


def _sections(words: np.ndarray):
    position = 0
    while position < len(words):
        head = [int(word) for word in words[position:position + SECTION_HEAD_WORDS]]
        position += SECTION_HEAD_WORDS
        if len(head) < SECTION_HEAD_WORDS or head[0] >> 8 == 0 or position + head[2] * (head[0] >> 8) > len(words):
            raise ImageError(f"the section that starts at word {position - SECTION_HEAD_WORDS + HEADER_WORDS} "
                             f"reaches beyond the end of the image")
        granules = head[0] >> 8
        yield Section(target=head[0] & 0xff, address=head[1],
                      entries=words[position:position + head[2] * granules].reshape(head[2], granules))
        position += head[2] * granules


def _lies_in_memory(fields: dict[str, int]) -> bool:
    """Whether ``weight_base`` of a descriptor is the address of something that moves with the image."""
    return bool(fields["streamed"] or fields["way"] and not fields["picture"])


def granules(fields: np.ndarray, width: int) -> np.ndarray:
    """Pack fields of ``width`` bits, the first in the lowest bits, into 32-bit words.

    Parameters
    ----------
    fields : ndarray, (entries, fields)

    Returns
    -------
    ndarray, uint32, (entries, granules)
        Bits left over are ones.
    """
    bits = (fields[..., None].astype(np.uint8) >> np.arange(width, dtype=np.uint8) & 1).reshape(len(fields), -1)
    bits = np.pad(bits, ((0, 0), (0, -bits.shape[1] % GRANULE_WIDTH)), constant_values=1)
    return np.packbits(bits, axis=1, bitorder="little").view("<u4").astype(np.uint32)


def picture_beat(memory_width: int) -> int:
    """Where a picture that stays in the memory begins: behind the head of an empty section."""
    return -(-SECTION_HEAD_WORDS * GRANULE_WIDTH // memory_width)


def picture(codes: np.ndarray, words: int) -> Section:
    """The section that puts a picture into the spike store, where every network expects it: at word 0.

    Parameters
    ----------
    codes : ndarray, uint8, (channels, height, width)
        Spike codes.
    words : int
        Spike words from pixel to pixel: ``input_words`` of the first descriptor.
    """
    channels = codes.shape[0]
    lanes = min(channels, LANES)
    pixels = codes.transpose(1, 2, 0).reshape(-1, channels)
    pixels = np.pad(pixels, ((0, 0), (0, words * lanes - channels)), constant_values=SILENT)
    return Section(target=Target.SPIKES, address=0, entries=granules(pixels.reshape(-1, lanes), CODE_WIDTH))
