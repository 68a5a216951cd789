"""The spikes that each output pixel reads. Twin of :mod:`model.walker`."""

from itertools import pairwise

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2, exact_log2

from model.config import LANES, WORD_WIDTH, ProcessorConfig

from .buffer import Buffer
from .layouts import Descriptor, Fetch, SpikeRow, walker_shift
from .store import ADDRESS_WIDTH, ReadSignature

__all__ = ["GroupCount", "Walker"]

# Counts column groups that come from the memory, modulo more than the tiles can hold.
GroupCount = unsigned(2)


class Pixel(data.StructLayout):
    """An output pixel, as the walk of its taps needs it."""

    def __init__(self, cfg: ProcessorConfig):
        corner = signed(Descriptor["input_height"].width + 3)
        super().__init__({
            "y": corner,                                    # where the kernel's corner lies on the map,
            "x": corner,                                    # or beside it
            "columns": range(cfg.group_columns + 1),        # columns in use
            "group_row": ADDRESS_WIDTH,                     # first row of the column group
            **({"group": GroupCount} if cfg.memory_width else {}),
        })


class Pixels(wiring.Component):
    """The outer loops of a walk: for each column group, each of the walker's pooling windows, each pixel of it.

    One pixel a cycle, the first one in the cycle after ``start``.

    Parameters
    ----------
    cfg : ProcessorConfig
    number : int
    layer, start, groups_done
        See :class:`Walker`.
    o : Out(stream.Signature(Pixel(cfg)))
    """

    def __init__(self, cfg: ProcessorConfig, number: int):
        self.cfg = cfg
        self.number = number
        super().__init__({
            "layer": In(Descriptor),
            "start": In(1),
            "groups_done": In(GroupCount),
            "o": Out(stream.Signature(Pixel(cfg))),
        })

    def elaborate(self, platform):
        m = Module()
        cfg, layer, pixel = self.cfg, self.layer, self.o.p

        # The loops, innermost last: group, window, pixel of the window (py, px).
        channels_left = Signal.like(layer.output_channels)
        group_row = Signal(ADDRESS_WIDTH)
        # Of the whole map, and of its line.
        window, ox = Signal.like(layer.output_pixels), Signal.like(layer.output_width)
        py, px = Signal.like(layer.pool), Signal.like(layer.pool)
        # Where the kernel's corner lies: at the window's first pixel, and at this pixel.
        window_y, window_x = Signal.like(pixel.y), Signal.like(pixel.x)
        y, x = Signal.like(pixel.y), Signal.like(pixel.x)

        # Where the loops end, known a cycle after ``start``.
        shift = walker_shift(layer, cfg)
        walkers = 1 << shift
        pool_end = Signal.like(px)
        line_end, window_end = Signal.like(ox), Signal.like(window)
        m.d.sync += [
            pool_end.eq(layer.pool - 1),
            line_end.eq(layer.output_width - walkers), window_end.eq(layer.output_pixels - walkers),
        ]
        group_columns = cfg.group_columns >> shift
        group_last = channels_left <= group_columns
        row_done = px == pool_end
        window_done = row_done & (py == pool_end)
        line_done = window_done & (ox >= line_end)
        group_done = window_done & (window >= window_end)
        # Column groups from the memory lie in two places, in turns.
        walking = Signal()
        its_row = group_row
        if cfg.memory_width:
            groups_walked, second_row = Signal(GroupCount), Signal(ADDRESS_WIDTH)
            m.d.sync += second_row.eq((layer.row_base + cfg.rows) >> 1)
            place = Mux(groups_walked[0], second_row, layer.row_base)
            its_row = Mux(layer.streamed, place, group_row)
            m.d.comb += pixel.group.eq(groups_walked)
            with m.If(self.o.ready & self.o.valid & group_done):
                m.d.sync += groups_walked.eq(groups_walked + 1)
            with m.If(self.start):
                m.d.sync += groups_walked.eq(self.groups_done)
        m.d.comb += self.o.valid.eq(walking)
        # Where the first window lies.
        left = (layer.window_hop >> shift) * self.number - layer.padding

        m.d.comb += [
            pixel.y.eq(y),
            pixel.x.eq(x),
            pixel.columns.eq(Mux(group_last, channels_left, group_columns)),
            pixel.group_row.eq(its_row),
        ]
        first_pixel = [
            window.eq(self.number), ox.eq(self.number), px.eq(0), py.eq(0),
            window_y.eq(-layer.padding_above), y.eq(-layer.padding_above),
            window_x.eq(left), x.eq(left),
        ]
        with m.If(self.o.ready & self.o.valid):
            m.d.sync += [px.eq(px + 1), x.eq(x + layer.stride)]
            with m.If(row_done):
                m.d.sync += [px.eq(0), x.eq(window_x), py.eq(py + 1), y.eq(y + layer.stride)]
            with m.If(window_done):
                next_x = Mux(line_done, window_x - layer.line_back, window_x + layer.window_hop)
                m.d.sync += [
                    py.eq(0), window.eq(window + walkers),
                    ox.eq(ox + walkers - Mux(line_done, layer.output_width, 0)),
                    window_x.eq(next_x), x.eq(next_x),
                ]
                with m.If(line_done):
                    m.d.sync += window_y.eq(y + layer.stride)
                with m.Else():
                    m.d.sync += y.eq(window_y)
            with m.If(group_done):
                m.d.sync += [
                    *first_pixel,
                    channels_left.eq(channels_left - group_columns),
                    group_row.eq(group_row + layer.group_rows),
                    walking.eq(~group_last),
                ]
        with m.If(self.start):
            m.d.sync += [
                *first_pixel,
                channels_left.eq(layer.output_channels),
                group_row.eq(layer.row_base),
                walking.eq(1),
            ]
        return m


class Walker(wiring.Component):
    """For each column group, each output pixel, each kernel tap inside the map: the spikes of that input pixel.

    Pixels come pooling window by pooling window; of several walkers, each takes its turn of the windows, from left to
    right and line by line. One row of the spike store a cycle, the first one five
    cycles after ``start``; taps outside the map cost nothing. A pixel without any tap, and every pixel of
    a silent source, yields one fetch of silence. Back-pressure on ``o`` stalls the walk. The first fetch of a column
    group from the memory waits until the group has come.

    Parameters
    ----------
    cfg : ProcessorConfig
    number : int
        Which walker this is, counted from 0. A layer with fewer walkers does not start it.

    Members
    -------
    layer : In(Descriptor)
        Must not change during a walk.
    silent : In(1)
        The source did not spike at all: read nothing. Must not change during a walk.
    start : In(1)
        Begin a walk. Only after the last fetch of the walk before.
    groups_done : In(2), groups_came : In(2)
        Column groups from the memory that were walked before this layer, valid with ``start``, and that have come.
    spikes : Out(ReadSignature(SpikeRow(cfg)))
    o : Out(stream.Signature(Fetch(cfg)))
    fault : Out(1), fault_address : Out(32)
        High in the cycle in which the walk leaves the tile's rows, with the row.
    """

    def __init__(self, cfg: ProcessorConfig, number: int = 0):
        self.cfg = cfg
        self.number = number
        super().__init__({
            "layer": In(Descriptor),
            "silent": In(1),
            "start": In(1),
            "groups_done": In(GroupCount),
            "groups_came": In(GroupCount),
            "spikes": Out(ReadSignature(SpikeRow(cfg))),
            "o": Out(stream.Signature(Fetch(cfg))),
            "fault": Out(1),
            "fault_address": Out(ADDRESS_WIDTH),
        })

    def elaborate(self, platform):
        m = Module()
        cfg, layer = self.cfg, self.layer

        m.submodules.pixels = pixels = Pixels(cfg, self.number)
        m.d.comb += [
            pixels.layer.eq(layer),
            pixels.start.eq(self.start),
            pixels.groups_done.eq(self.groups_done),
        ]
        # A stall reaches them a cycle later.
        m.submodules.ahead = ahead = Buffer(Pixel(cfg))
        wiring.connect(m, pixels.o, ahead.i)
        pixel = ahead.o.p

        # What was read waits for its column group.
        step = Signal()
        read_valid, passes = self.o.valid, self.o.ready
        if cfg.memory_width:
            stages = ("pixel", "placed", "addressed", "read")
            groups = [Signal(GroupCount, name=f"group_{stage}") for stage in stages]
            read_valid = Signal()
            come = ~layer.streamed | (groups[-1] != self.groups_came)
            passes = come & self.o.ready
            m.d.comb += self.o.valid.eq(read_valid & come)
            with m.If(ahead.o.ready):
                m.d.sync += groups[0].eq(pixel.group)
            with m.If(step):
                m.d.sync += [after.eq(before) for before, after in pairwise(groups)]
        m.d.comb += step.eq(~read_valid | passes)

        # The inner loops, innermost last: tap (ky, kx), chunk.
        walking = Signal()
        ky, kx = Signal.like(layer.kernel_height), Signal.like(layer.kernel_width)
        # Where the tap lies.
        tap_y, tap_x = Signal.like(layer.input_height), Signal.like(layer.input_width)
        # Rows of the spike store that an input pixel spans; the last may hold words of others, before or behind.
        chunk = Signal.like(layer.input_words)
        # Channels of the input pixel from this chunk on.
        chunk_channels = Signal.like(layer.input_channels)

        # Of this output pixel: there is nothing to read; where the taps of a line begin; columns and rows.
        nothing = Signal()
        first_kx, first_tap_x = Signal.like(kx), Signal.like(tap_x)
        columns, group_row = Signal.like(pixel.columns), Signal.like(pixel.group_row)

        # Where the loops end, known a cycle after ``start``.
        ky_end, kx_end = Signal.like(ky), Signal.like(kx)
        map_y_end, map_x_end = Signal.like(tap_y), Signal.like(tap_x)
        m.d.sync += [
            ky_end.eq(layer.kernel_height - 1), map_y_end.eq(layer.input_height - 1),
            kx_end.eq(layer.kernel_width - 1), map_x_end.eq(layer.input_width - 1),
        ]
        chunk_last = nothing | (chunk_channels <= cfg.span_lanes)
        tap_done = chunk_last & (nothing | (kx == kx_end) | (tap_x == map_x_end))
        pixel_done = tap_done & (nothing | (ky == ky_end) | (tap_y == map_y_end))

        # The kernel may lie beside the map altogether. Otherwise, the first tap is the first that is inside.
        beside = ((pixel.y >= layer.input_height) | (pixel.y + layer.kernel_height <= 0)
                  | (pixel.x >= layer.input_width) | (pixel.x + layer.kernel_width <= 0))
        above, before = pixel.y < 0, pixel.x < 0
        enter_kx, enter_tap_x = Mux(before, -pixel.x, 0), Mux(before, 0, pixel.x)

        m.d.comb += ahead.o.ready.eq(step & (~walking | pixel_done))
        with m.If(step):
            m.d.sync += [
                chunk.eq(chunk + 1),
                chunk_channels.eq(chunk_channels - cfg.span_lanes),
            ]
            with m.If(chunk_last):
                m.d.sync += [chunk.eq(0), chunk_channels.eq(layer.input_channels), kx.eq(kx + 1), tap_x.eq(tap_x + 1)]
            with m.If(tap_done):
                m.d.sync += [kx.eq(first_kx), tap_x.eq(first_tap_x), ky.eq(ky + 1), tap_y.eq(tap_y + 1)]
        with m.If(ahead.o.ready):
            m.d.sync += [
                walking.eq(ahead.o.valid),
                nothing.eq(self.silent | beside),
                ky.eq(Mux(above, -pixel.y, 0)), tap_y.eq(Mux(above, 0, pixel.y)),
                kx.eq(enter_kx), first_kx.eq(enter_kx),
                tap_x.eq(enter_tap_x), first_tap_x.eq(enter_tap_x),
                chunk.eq(0), chunk_channels.eq(layer.input_channels),
                columns.eq(pixel.columns), group_row.eq(pixel.group_row),
            ]

        # Stage 1: input pixel and tap, and where those of this chunk begin.
        input_pixel, tap = Signal(ADDRESS_WIDTH), Signal(ADDRESS_WIDTH)
        chunk_address, chunk_row = Signal(ADDRESS_WIDTH), Signal(ADDRESS_WIDTH)
        placed = Signal(Fetch(cfg))
        placed_channels = Signal.like(chunk_channels)
        placed_valid, placed_reads = Signal(), Signal()
        # Stage 2: spike store address and row.
        address, row = Signal(ADDRESS_WIDTH), Signal(ADDRESS_WIDTH)
        channels = Signal.like(layer.input_channels)
        addressed = Signal(Fetch(cfg))
        addressed_valid, addressed_reads = Signal(), Signal()
        # Stage 3: the row itself, and which of its words are this pixel's.
        read = Signal(Fetch(cfg))
        own = Signal(cfg.span)
        first = address[:exact_log2(cfg.span)]
        filled = Cat(channels > word * LANES for word in range(cfg.span))

        with m.If(step):
            m.d.sync += [
                input_pixel.eq(tap_y * layer.input_width + tap_x),
                tap.eq(ky * layer.kernel_width + kx),
                chunk_address.eq(layer.input_base + (chunk << exact_log2(cfg.span))),
                chunk_row.eq(group_row + (chunk << ceil_log2(cfg.span_lanes))),
                placed_channels.eq(chunk_channels),
                placed.columns.eq(columns),
                placed.last.eq(pixel_done),
                placed_valid.eq(walking),
                placed_reads.eq(walking & ~nothing),

                address.eq(chunk_address + input_pixel[:20] * layer.input_words),
                row.eq(chunk_row + tap[:16] * layer.input_channels),
                channels.eq(placed_channels),
                addressed.eq(placed),
                addressed_valid.eq(placed_valid),
                addressed_reads.eq(placed_reads),

                read.eq(addressed),
                # Lane 0 of the row may lie before the pixel.
                read.row.eq(row - (first << ceil_log2(LANES))),
                own.eq(Mux(addressed_reads, filled << first, 0)),
                read_valid.eq(addressed_valid),
            ]

        own_codes = Cat(mine.replicate(WORD_WIDTH) for mine in own)
        m.d.comb += [
            self.spikes.address.eq(address),
            self.spikes.enable.eq(step & addressed_reads),
            # Lane 0 is checked; a later lane beyond the rows would be a channel beyond input_channels.
            self.fault.eq(step & addressed_reads & (row >= cfg.rows)),
            self.fault_address.eq(row),
            self.o.payload.eq(read),
            self.o.p.codes.eq(Value.cast(self.spikes.data) | (~own_codes)),
        ]
        return m
