"""Which weights come from the memory, and when: one column group ahead. Twin of :func:`model.memory.fetched`."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from model.config import CORNERS, LANES, ProcessorConfig

from .layouts import Descriptor
from .reader import Run
from .rows import Destination
from .store import ADDRESS_WIDTH

__all__ = ["HALVES", "Streamed", "Prefetch"]

# Column groups that lie in the tiles at a time: one is walked while the other comes.
HALVES = 2


class Streamed(data.StructLayout):
    """A layer whose weights come from the memory."""

    def __init__(self):
        super().__init__({
            "base": 32,                                             # of its first column group, in beats
            "row": ADDRESS_WIDTH,                                   # of the tiles, from where on groups take turns
            "rows": Descriptor["group_rows"].width,
            "output_channels": Descriptor["output_channels"].width,
            **{name: Descriptor[name].width for name in ("input_channels", "kernel_height", "kernel_width", "padding")},
            "walker_shift": Destination()["walker_shift"].width,    # log2 of the walkers that share it
            "by_spikes": 1,                                         # rows of channels that spiked, and no others
            "seen": 16,                                             # word of those channels, see ``seen_data``
        })


class Prefetch(wiring.Component):
    """For each layer, for each column group: ask for its rows, as soon as there is room for them.

    A whole group is one run. A group that is fetched by spikes is a run for every granule that has a row of a channel
    that spiked where its tap reads, in the order of rows, or the first granule if none has. To look at 16 channels at a
    tap takes a cycle, and so does every granule that is asked for.

    Parameters
    ----------
    cfg : ProcessorConfig
        With a memory.

    Members
    -------
    i : In(stream.Signature(Streamed()))
        Taken when the last run of the layer before has been asked for.
    released : In(1)
        High for a cycle when a group is not needed any more.
    seen_address : Out(16), seen_corners : Out(4), seen_data : In(16)
        Which of 16 neighbouring channels spiked in these corners of the layer's source; in the same cycle.
    runs : Out(stream.Signature(Run))
    to : Out(stream.Signature(Destination()))
        One for each of ``runs``, before or after it.
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({
            "i": In(stream.Signature(Streamed())),
            "released": In(1),
            "seen_address": Out(16),
            "seen_corners": Out(CORNERS),
            "seen_data": In(LANES),
            "runs": Out(stream.Signature(Run(32))),
            "to": Out(stream.Signature(Destination())),
        })

    def elaborate(self, platform):
        m = Module()
        cfg = self.cfg
        layer = Signal(Streamed())

        # Beats and rows of a granule, beats of the rows of 16 channels, columns of a group.
        granule_beats, rows_shift = Signal(range(cfg.memory_width)), Signal(range(LANES))
        word_beats = Signal(range(LANES * cfg.memory_width))
        columns = cfg.group_columns >> layer.walker_shift
        with m.Switch(layer.walker_shift):
            for shift in range(exact_log2(cfg.walkers) + 1):
                beats, rows = cfg.granule(1 << shift)
                with m.Case(shift):
                    m.d.comb += [granule_beats.eq(beats), rows_shift.eq(exact_log2(rows)),
                                 word_beats.eq(LANES // rows * beats)]
        group_granules = Signal.like(layer.rows)
        m.d.comb += group_granules.eq((layer.rows + (1 << rows_shift) - 1) >> rows_shift)

        # The group: where it lies, where it goes; how many are in the tiles, or on their way.
        base, channels_left = Signal.like(layer.base), Signal.like(layer.output_channels)
        group_beats = Signal(24)
        half, held = Signal(range(HALVES)), Signal(range(HALVES + 1))
        first_row = Mux(half, (layer.row + cfg.rows) >> 1, layer.row)
        begin = Signal()
        with m.If(begin & ~self.released):
            m.d.sync += held.eq(held + 1)
        with m.If(self.released & ~begin):
            m.d.sync += held.eq(held - 1)

        # A word of 16 channels at a tap: which of its granules are still to be asked for, and where they lie and go.
        words_left, channels_left_here = Signal.like(layer.rows), Signal.like(layer.input_channels)
        pending, word_base, word_row = Signal(LANES), Signal.like(base), Signal(ADDRESS_WIDTH)
        ky, kx = Signal.like(layer.kernel_height), Signal.like(layer.kernel_width)

        # A tap before the padding never reads the last line, one behind it never the first; so for columns.
        above, before = ky + layer.padding + 1 < layer.kernel_height, kx + layer.padding + 1 < layer.kernel_width
        below, behind = ~above & (ky > layer.padding), ~before & (kx > layer.padding)
        m.d.comb += self.seen_corners.eq(Cat(~line & ~column for line in (below, above) for column in (behind, before)))
        lowest = Signal(range(LANES))
        for granule in reversed(range(LANES)):
            with m.If(pending[granule]):
                m.d.comb += lowest.eq(granule)

        # What was found last waits for what comes next: only then it is known whether it was the last of its group.
        found, found_address, found_row = Signal(), Signal.like(base), Signal(ADDRESS_WIDTH)

        # A run and its destination leave one by one.
        run_sent, to_sent = Signal(), Signal()
        offer, sent = Signal(), Signal()
        m.d.comb += [
            self.runs.valid.eq(offer & ~run_sent),
            self.to.valid.eq(offer & ~to_sent),
            sent.eq(offer & (run_sent | self.runs.ready) & (to_sent | self.to.ready)),
        ]
        m.d.sync += [
            run_sent.eq(~sent & (run_sent | (self.runs.valid & self.runs.ready))),
            to_sent.eq(~sent & (to_sent | (self.to.valid & self.to.ready))),
        ]

        def next_group():
            m.d.sync += [base.eq(base + group_beats), half.eq(half + 1), channels_left.eq(channels_left - columns)]
            with m.If(channels_left <= columns):
                m.next = "LAYER"
            with m.Else():
                m.next = "GROUP"

        def next_word():
            m.d.sync += [
                words_left.eq(words_left - 1),
                word_base.eq(word_base + word_beats),
                word_row.eq(word_row + LANES),
            ]
            m.next = "LOOK"
            with m.If(words_left == 1):
                m.next = "LAST"

        with m.FSM():
            with m.State("LAYER"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [layer.eq(self.i.payload), base.eq(self.i.p.base),
                             channels_left.eq(self.i.p.output_channels)]
                with m.If(self.i.valid):
                    m.next = "SIZE"

            with m.State("SIZE"):
                # A multiplication takes a cycle.
                m.d.sync += group_beats.eq(group_granules * granule_beats)
                m.next = "GROUP"

            with m.State("GROUP"):
                m.d.sync += [
                    self.seen_address.eq(layer.seen), channels_left_here.eq(layer.input_channels),
                    words_left.eq(layer.rows >> exact_log2(LANES)), word_base.eq(base), word_row.eq(first_row),
                    ky.eq(0), kx.eq(0), found.eq(0), found_address.eq(base), found_row.eq(first_row),
                ]
                with m.If(held != HALVES):
                    m.d.comb += begin.eq(1)
                    m.next = "WHOLE"
                    with m.If(layer.by_spikes):
                        m.next = "LOOK"

            with m.State("WHOLE"):
                m.d.comb += [
                    offer.eq(1),
                    self.runs.p.address.eq(base), self.runs.p.beats.eq(group_beats),
                    self.to.p.row.eq(first_row), self.to.p.walker_shift.eq(layer.walker_shift), self.to.p.last.eq(1),
                ]
                with m.If(sent):
                    next_group()

            with m.State("LOOK"):
                with m.Switch(rows_shift):
                    for shift in range(exact_log2(LANES) + 1):
                        with m.Case(shift):
                            m.d.sync += pending.eq(Cat(self.seen_data.word_select(granule, 1 << shift).any()
                                                       for granule in range(LANES >> shift)))
                m.d.sync += [
                    self.seen_address.eq(self.seen_address + 1),
                    channels_left_here.eq(channels_left_here - LANES),
                ]
                with m.If(channels_left_here <= LANES):
                    # The next tap.
                    m.d.sync += [self.seen_address.eq(layer.seen), channels_left_here.eq(layer.input_channels),
                                 kx.eq(kx + 1)]
                    with m.If(kx + 1 == layer.kernel_width):
                        m.d.sync += [kx.eq(0), ky.eq(ky + 1)]
                m.next = "ASK"
                with m.If(self.seen_data == 0):
                    next_word()

            with m.State("ASK"):
                m.d.comb += [
                    offer.eq(found),
                    self.runs.p.address.eq(found_address), self.runs.p.beats.eq(granule_beats),
                    self.to.p.row.eq(found_row), self.to.p.walker_shift.eq(layer.walker_shift),
                ]
                with m.If(~found | sent):
                    m.d.sync += [
                        found.eq(1),
                        found_address.eq(word_base + lowest * granule_beats),
                        found_row.eq(word_row + (lowest << rows_shift)),
                        pending.eq(pending & (pending - 1)),
                    ]
                    with m.If((pending & (pending - 1)) == 0):
                        next_word()

            with m.State("LAST"):
                m.d.comb += [
                    offer.eq(1),
                    self.runs.p.address.eq(found_address), self.runs.p.beats.eq(granule_beats),
                    self.to.p.row.eq(found_row), self.to.p.walker_shift.eq(layer.walker_shift), self.to.p.last.eq(1),
                ]
                with m.If(sent):
                    next_group()
        return m
