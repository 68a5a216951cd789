"""Registers that answer as a processor's do, but for what it computes; also as an IP of a PYNQ overlay."""

from firmware.registers import ADDRESSES, CONSTANTS, FIELDS, WORDS, ErrorCode
from model.config import ProcessorConfig

NAMES = {address: name for name, address in ADDRESSES.items()}
READ_ONLY = {"id", "version", "status", "error", "error_detail", "result"}
LAYER, DETAIL = 3, 0xDE7A11

# A run that has not ended however often one looks.
NEVER = 1 << 32


class Fake:
    """A processor of configuration ``cfg``.

    Members
    -------
    load_error, run_error : int
        With which error code loading or the next run fails; 0 for none.
    looks : int
        At a run before it has ended.
    loaded : list of int
        What was written to the load window.
    runs : list of dict
        The settings of every run.
    interrupted : callable
        Called when the interrupt line rises.
    """

    def __init__(self, cfg: ProcessorConfig):
        self.values = dict.fromkeys(ADDRESSES, 0) | {
            name: word(name, **fields) for name, fields in {
                **CONSTANTS,
                "capability_columns": dict(columns=cfg.columns, tiles=cfg.tiles, encoders=cfg.encoders),
                "capability_tiles": dict(rows=cfg.rows, walkers=cfg.walkers),
                "capability_spikes": dict(words=cfg.spike_words, span=cfg.span),
                "capability_state_words": dict(value=cfg.state_words),
                "capability_charge_words": dict(value=cfg.charge_words),
                "capability_parameter_words": dict(value=cfg.parameter_words),
                "capability_limits": dict(layers=cfg.layers, timesteps=cfg.timesteps, classes=cfg.classes),
                "capability_memory": dict(width=cfg.memory_width),
                "cycle_limit": dict(value=(1 << 32) - 1),
            }.items()}
        self.load_error = self.run_error = self.looks = self.aborts = 0
        self.loaded, self.runs = [], []
        self.logits, self.signatures = [-5, 70_000, 3, *range(-100, -60)], list(range(0xF000_0000, 0xF000_0008))
        self.interrupted = lambda: None

    @property
    def quiet(self) -> bool:
        """Nothing runs, and no interrupt is left."""
        return not self.values["status"] and not self.values["interrupt"]

    def read(self, address: int) -> int:
        assert type(address) is int and address % 4 == 0, f"{address} is no address of a word"
        for name in ("logits", "signatures"):
            index = (address - ADDRESSES[name]) // 4
            if 0 <= index < WORDS[name]:
                return getattr(self, name)[index] & 0xffff_ffff
        name = NAMES[address]
        assert name not in ("control", "load"), f"{name} cannot be read"
        if name == "interrupt":
            self._look()
        return self.values[name]

    def write(self, address: int, value: int):
        assert type(value) is int and 0 <= value < 1 << 32, f"{value} is no word"
        assert type(address) is int and address % 4 == 0, f"{address} is no address of a word"
        if 0 <= address - ADDRESSES["load"] < 4 * WORDS["load"]:
            self.loaded.append(value)
            if self.load_error:
                self._report(self.load_error)
            return
        name = NAMES[address]
        assert name not in READ_ONLY and not name.startswith("capability_"), f"{name} cannot be written"
        if name == "interrupt":
            self.values[name] &= ~value
        elif name != "control":
            self.values[name] = value
        elif value == word("control", abort=1):
            self.aborts += 1
            if self.values["status"]:
                self._report(ErrorCode.ABORTED)
            self.values["status"] = 0
        elif value == word("control", start=1):
            self.runs.append({name: self.values[name] for name in ("network", "exit", "exit_threshold")})
            self.values["status"], self.left = 1, self.looks
            self.interrupted()
        else:
            raise AssertionError(f"there is no command {value:#x}")

    def _look(self):
        if not self.values["status"]:
            return
        if self.left:
            self.left -= 1
            return
        self.values["status"] = 0
        if self.run_error:
            self._report(self.run_error)
        else:
            self.values["interrupt"] |= word("interrupt", done=1)
            self.values["result"] = word("result", class_index=1, timestep=2)
            self.values |= {name: 100 + index for index, name in enumerate(
                ("cycles", "busy_cycles", "empty_cycles", "fire_cycles", "events", "synaptic_operations", "spikes",
                 "neurons"))}

    def _report(self, code: int):
        if not self.values["interrupt"] & word("interrupt", error=1):
            self.values["error"] = word("error", code=code, layer=LAYER)
            self.values["error_detail"] = DETAIL
        self.values["interrupt"] |= word("interrupt", error=1)


def word(register: str, **values: int) -> int:
    """A register with these fields, and zeros for the others."""
    return sum(value << FIELDS[register][field][0] for field, value in values.items())
