"""The driver in Python.

::

    with Uio("/dev/uio0") as bus:
        processor = Processor(bus).load("digits.image")
        result = processor.run(pictures)
        print(result.classes, result.timesteps, result.cycles)

After any error, and after an interrupt from the keyboard, the processor is idle, and the next picture can be run,
unless it was the image that could not be loaded.
"""

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

import numpy as np

from model.answer import HARDWARE_COUNTERS, Answer
from model.config import SILENT, ProcessorConfig, Rule
from model.image import Image, ImageError, picture
from model.tables import threshold_code

from .registers import ADDRESSES, CONSTANTS, FIELDS, SENTENCES, WORDS

__all__ = ["ProcessorError", "ReportedError", "SelfTestError", "Result", "Processor"]


class ProcessorError(RuntimeError):
    """There is no processor that this driver knows, or it cannot do this now; the message says what is wrong."""


class ReportedError(ProcessorError):
    """The processor reports an error, in the words of the register map.

    Parameters
    ----------
    code : int
        Of :class:`firmware.registers.ErrorCode`.
    layer : int
        In which the run was, from 0.
    detail : int
        Where the error lies; the sentence of the error says what this is.
    """

    def __init__(self, code: int, layer: int, detail: int):
        sentence = SENTENCES.get(code, f"Error {code}, which this driver does not know.")
        super().__init__(f"the processor reports in layer {layer}, with error_detail {detail:#x}: {sentence}")
        self.code, self.layer, self.detail = code, layer, detail


class SelfTestError(ProcessorError):
    """The processor computes, but not what it should.

    Parameters
    ----------
    layer : int
        The first one that differs, from 0.
    found, expected : int
        Its signature.
    """

    def __init__(self, layer: int, found: int, expected: int):
        super().__init__(f"the signature of layer {layer} is {found:#010x}, not {expected:#010x}: "
                         "the processor computes, but not what it should")
        self.layer = layer


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """What the runs of some pictures came to.

    Parameters
    ----------
    classes : ndarray, int64, (pictures,)
        With the largest logit.
    timesteps : ndarray, int64, (pictures,)
        After which a run stopped, counted from 1.
    logits : ndarray, int32, (pictures, classes)
    signatures : ndarray, uint32, (pictures, layers)
        CRC of all that a layer emitted.
    counters : dict of ndarray, int64, (pictures,)
        By the names of :data:`model.answer.HARDWARE_COUNTERS`.
    """

    classes: np.ndarray
    timesteps: np.ndarray
    logits: np.ndarray
    signatures: np.ndarray
    counters: dict[str, np.ndarray]

    @property
    def cycles(self) -> np.ndarray:
        """Clock cycles of every run, loading not included: int64, (pictures,)."""
        return self.counters["cycles"]

    @classmethod
    def of(cls, answers: Sequence[Answer]) -> "Result":
        """The answers of at least one picture, side by side."""
        return cls(classes=np.array([answer.class_index for answer in answers]),
                   timesteps=np.array([answer.timestep for answer in answers]),
                   logits=np.array([answer.logits for answer in answers], np.int32),
                   signatures=np.array([answer.signatures for answer in answers], np.uint32),
                   counters={name: np.array([answer.counters[name] for answer in answers])
                             for name in HARDWARE_COUNTERS})


class Processor:
    """A processor, and the network that was loaded last.

    Parameters
    ----------
    bus : object
        How its registers are reached, see :mod:`firmware`. Nobody else uses it meanwhile.
    timeout : float
        Seconds after which a run is aborted.

    Members
    -------
    cfg : ProcessorConfig
        What its capability registers say. No register tells the number format: :meth:`self_test` does.
    image : Image
        The network at hand; None without.

    Raises
    ------
    ProcessorError
        If there is no processor, or its register map is another one.
    """

    def __init__(self, bus, timeout: float = 10.0):
        self.bus = bus
        self.timeout = timeout
        self.image: Image | None = None
        found, wanted = self._read("id")["value"], CONSTANTS["id"]["value"]
        if found != wanted:
            raise ProcessorError(f"there is no Firstlight processor at this address: its id is {found:#x}, "
                                 f"not {wanted:#x}")
        found, wanted = self._read("version")["major"], CONSTANTS["version"]["major"]
        if found != wanted:
            raise ProcessorError(f"the processor has version {found} of the register map, this driver knows {wanted}")
        self._quiet()
        self._write("interrupt_enable", done=1, error=1)
        self.cfg = self._configuration()

    def load(self, image: Image | bytes | str | Path) -> "Processor":
        """Bring a network onto the processor.

        Parameters
        ----------
        image : Image, bytes or path
            The file that ``python -m model compile`` writes, its content, or what it says.

        Returns
        -------
        Processor
            Itself.

        Raises
        ------
        ImageError
            If it is no image, or none for this processor, which was left alone.
        ReportedError
            If the processor refuses it; it has no network now.
        OSError
            If the file cannot be read.
        """
        image = _image(image)
        self._check(image)
        self.image = None
        with self._idle_after_errors():
            self._load(image.load_words())
        self.image = image
        return self

    def set_exit(self, rule: Rule, threshold: float = 0.0) -> "Processor":
        """Stop when another rule than the image's is sure, until the next :meth:`load`; returns itself.

        Parameters
        ----------
        rule : Rule
        threshold : float
            ENTROPY: bits, exit below. PROBABILITY: the largest softmax probability, exit above. MARGIN: bits between
            the two best classes, exit above. BUDGET: not used.

        Raises
        ------
        ValueError
            If the rule has no such threshold.
        ProcessorError
            If no image is loaded.
        """
        self.image = replace(self._loaded(), rule=rule, threshold=threshold_code(rule, threshold))
        return self

    @property
    def cycle_limit(self) -> int:
        """Clock cycles after which the processor itself ends a run; 2^32 - 1 after a reset. It can be set.

        Raises
        ------
        ValueError
            If the register does not hold it.
        """
        return self._read("cycle_limit")["value"]

    @cycle_limit.setter
    def cycle_limit(self, cycles: int):
        self._write("cycle_limit", value=cycles)

    def run(self, pictures: np.ndarray, budget: int | Sequence[int] | None = None) -> Result:
        """Classify pictures.

        Parameters
        ----------
        pictures : ndarray, float, (pictures, channels, height, width)
            Pixels between 0 and 1.
        budget : int or sequence of int, (pictures,), optional
            So many timesteps whatever the logits say, of all pictures or of each.

        Raises
        ------
        ValueError
            If a pixel, a size or a budget is not what the network takes. Nothing was run.
        ProcessorError
            If no image is loaded.
        ReportedError
            If the processor reports an error.
        TimeoutError
            If a run did not end, and was aborted.
        """
        return self.run_spikes(self._loaded().encode(np.asarray(pictures)), budget)

    def run_spikes(self, codes: np.ndarray, budget: int | Sequence[int] | None = None) -> Result:
        """Classify pictures whose spikes are known, in the code of the network's input.

        Parameters
        ----------
        codes : ndarray, uint8, (pictures, channels, height, width)
            Slots of the window, or 31 for silence; unfolded, if the network unfolds its pictures.
        budget : int or sequence of int, (pictures,), optional

        Raises
        ------
        Exception
            As :meth:`run`.
        """
        image, codes = self._loaded(), np.asarray(codes)
        if codes.shape[1:] != image.shape or not len(codes) or codes.dtype != np.uint8:
            raise ValueError(f"the network {image.name} reads at least one map of spikes, uint8 of shape "
                             f"(pictures, {', '.join(map(str, image.shape))}), not {codes.dtype} of {codes.shape}")
        beyond = codes[(codes >= image.coding.window) & (codes != SILENT)]
        if len(beyond):
            raise ValueError(f"a spike is in slot {beyond[0]}, the window of the network {image.name} has slots "
                             f"0 to {image.coding.window - 1}")
        if budget is None:
            settings = [image] * len(codes)
        else:
            settings = [replace(image, rule=Rule.BUDGET, timesteps=timesteps)
                        for timesteps in self._budgets(budget, len(codes))]
        return Result.of([self._answer(each, network) for each, network in zip(codes, settings)])

    def run_by_policy(self, policy: Image | bytes | str | Path, pictures: np.ndarray) -> Result:
        """Let a policy choose the timesteps of every picture (SEENN-II; Li et al., NeurIPS 2023).

        The policy runs all pictures first; its class, plus one, is the budget of the network, which is loaded again.

        Parameters
        ----------
        policy : Image, bytes or path
            As of :meth:`load`.
        pictures : ndarray, float, (pictures, channels, height, width)
            As of :meth:`run`.

        Returns
        -------
        Result
            Of the network; counters are those of both.

        Raises
        ------
        Exception
            As :meth:`load` and :meth:`run`; a budget may be more than the network's timesteps.
        """
        network, policy = self._loaded(), _image(policy)
        self._check(policy)
        try:
            named = self.load(policy).run(pictures)
        finally:
            self.load(network)
        result = self.run(pictures, named.classes + 1)
        return replace(result, counters={name: counter + named.counters[name]
                                         for name, counter in result.counters.items()})

    def self_test(self, picture: np.ndarray, signatures: Sequence[int]):
        """Run a picture whose answer is known, and see that every layer emitted what it should.

        Parameters
        ----------
        picture : ndarray, float, (channels, height, width)
        signatures : sequence of int, (layers,)
            What :mod:`model.processor` says.

        Raises
        ------
        SelfTestError
            If a signature differs.
        Exception
            As :meth:`run`.
        """
        image = self._loaded()
        if len(signatures) != len(image.descriptors):
            raise ValueError(f"the network {image.name} has {len(image.descriptors)} layers, there are "
                             f"{len(signatures)} signatures")
        for layer, (found, expected) in enumerate(zip(self.run(picture[None]).signatures[0], signatures)):
            if found != expected:
                raise SelfTestError(layer, int(found), int(expected))

    def _configuration(self) -> ProcessorConfig:
        columns, tiles, spikes = map(self._read, ("capability_columns", "capability_tiles", "capability_spikes"))
        stores = {name: self._read(f"capability_{name}")["value"]
                  for name in ("state_words", "charge_words", "parameter_words")}
        return ProcessorConfig(**columns, **tiles, span=spikes["span"], spike_words=spikes["words"], **stores,
                               **self._read("capability_limits"),
                               memory_width=self._read("capability_memory")["width"])

    def _check(self, image: Image):
        """See that this is the processor the image was compiled for."""
        image.check(replace(self.cfg, numerics=image.numerics))
        for name, needed in (("layers", len(image.descriptors)), ("timesteps", image.timesteps),
                             ("classes", image.classes)):
            if needed > getattr(self.cfg, name):
                raise ImageError(f"the image of {image.name} has {needed} {name}, the processor holds "
                                 f"{getattr(self.cfg, name)}")
        if weights := image.memory():
            raise ImageError(f"the image of {image.name} has {len(weights)} bytes for a memory, "
                             "which this driver does not fill")
        if image.picture_stays:
            raise ImageError(f"the pictures of {image.name} stay in a memory, which this driver does not fill")

    def _loaded(self) -> Image:
        if self.image is None:
            raise ProcessorError("no image was loaded, or the last one was refused")
        return self.image

    def _budgets(self, budget: int | Sequence[int], pictures: int) -> list[int]:
        budgets = np.asarray(budget)
        if budgets.ndim and budgets.shape != (pictures,):
            raise ValueError(f"there are {pictures} pictures, and budgets of shape {budgets.shape}")
        for timesteps in budgets.flat:
            if timesteps not in range(1, self.image.timesteps + 1):
                raise ValueError(f"a budget is a number from 1 to the {self.image.timesteps} timesteps of the network "
                                 f"{self.image.name}, not {timesteps}")
        return np.broadcast_to(budgets, pictures).astype(int).tolist()

    def _answer(self, codes: np.ndarray, image: Image) -> Answer:
        """Run one picture (channels, height, width) with the settings of ``image``."""
        with self._idle_after_errors():
            self._write("network", layers=len(image.descriptors), timesteps=image.timesteps, classes=image.classes)
            self._write("exit", rule=image.rule, shift=image.shift)
            self._write("exit_threshold", value=image.threshold)
            self._load(picture(codes, image.descriptors[0]["input_words"]).words())
            # Nothing is left of a run whose end nobody has looked at.
            self._write("interrupt", done=1)
            self._write("control", start=1)
            deadline = monotonic() + self.timeout
            while not self._ended():
                left = deadline - monotonic()
                if left <= 0:
                    raise TimeoutError(f"the run did not end within {self.timeout} seconds, and was aborted")
                self.bus.sleep(left)
        words = [word for name, count in (("result", 1), (HARDWARE_COUNTERS[0], len(HARDWARE_COUNTERS)),
                                          ("logits", image.classes), ("signatures", len(image.descriptors)))
                 for word in self.bus.read(ADDRESSES[name], count)]
        return Answer.from_bytes(np.array(words, "<u4").tobytes(), image.classes, len(image.descriptors))

    def _load(self, words: np.ndarray):
        """Write to the load window, and see that the processor took it."""
        for first in range(0, len(words), WORDS["load"]):
            self.bus.write(ADDRESSES["load"], words[first:first + WORDS["load"]].tolist())
        self._ended()

    def _ended(self) -> bool:
        """Whether a run has ended; raises what the processor reports."""
        causes = self._read("interrupt")
        if causes["error"]:
            raise ReportedError(**self._read("error"), detail=self._read("error_detail")["value"])
        if causes["done"]:
            self._write("interrupt", done=1)
        return bool(causes["done"])

    @contextmanager
    def _idle_after_errors(self):
        try:
            yield
        except BaseException:
            self._quiet()
            raise

    def _quiet(self):
        """Bring the processor back to where it waits for a section or a start, with no interrupt."""
        self._write("control", abort=1)
        self._write("interrupt", done=1, error=1)

    def _read(self, register: str) -> dict[str, int]:
        """The fields of a register."""
        word, = self.bus.read(ADDRESSES[register], 1)
        return {field: word >> low & (1 << width) - 1 for field, (low, width) in FIELDS[register].items()}

    def _write(self, register: str, **values: int):
        """Write a register; fields that are not given are zero."""
        word = 0
        for field, value in values.items():
            low, width = FIELDS[register][field]
            if not 0 <= value < 1 << width:
                raise ValueError(f"{register}.{field} has {width} bits, {value} does not fit")
            word |= value << low
        self.bus.write(ADDRESSES[register], [word])


def _image(image: Image | bytes | str | Path) -> Image:
    if isinstance(image, Image):
        return image
    return Image.from_bytes(image if isinstance(image, bytes) else Path(image).read_bytes())
