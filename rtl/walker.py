"""The spikes that each output pixel reads. Twin of :mod:`model.walker`."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2, exact_log2

from model.config import LANES, WORD_WIDTH, ProcessorConfig

from .layouts import Descriptor, Fetch, SpikeRow, walker_shift
from .store import ADDRESS_WIDTH, ReadSignature

__all__ = ["Walker"]


class Walker(wiring.Component):
    """For each column group, each output pixel, each kernel tap inside the map: the spikes of that input pixel.

    Pixels come pooling window by pooling window; of several walkers, each takes its turn of the windows, from left to
    right and line by line. One row of the spike store a cycle, the first one four
    cycles after ``start``; taps outside the map cost nothing. A pixel without any tap, and every pixel of
    a silent source, yields one fetch of silence. Back-pressure on ``o`` stalls the walk.

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
            "spikes": Out(ReadSignature(SpikeRow(cfg))),
            "o": Out(stream.Signature(Fetch(cfg))),
            "fault": Out(1),
            "fault_address": Out(ADDRESS_WIDTH),
        })

    def elaborate(self, platform):
        m = Module()
        cfg, layer = self.cfg, self.layer

        step = Signal()
        m.d.comb += step.eq(~self.o.valid | self.o.ready)

        # The loops, innermost last: group, window, pixel of the window (py, px), tap (ky, kx), chunk.
        walking = Signal()
        channels_left = Signal.like(layer.output_channels)
        group_row = Signal(ADDRESS_WIDTH)
        # Of the whole map, and of its line.
        window, ox = Signal.like(layer.output_pixels), Signal.like(layer.output_width)
        py, px = Signal.like(layer.pool), Signal.like(layer.pool)
        ky, kx = Signal.like(layer.kernel_height), Signal.like(layer.kernel_width)
        # Rows of the spike store that a pixel spans; the last may hold words of others, before or behind.
        chunk = Signal.like(layer.input_words)
        # Channels of this pixel from this chunk on.
        chunk_channels = Signal.like(layer.input_channels)

        # Where the kernel's corner lies on the map: at the window's first pixel, and at this pixel.
        corner_shape = signed(len(layer.input_height) + 3)
        window_y, window_x = Signal(corner_shape), Signal(corner_shape)
        y, x = Signal(corner_shape), Signal(corner_shape)
        # Where the tap lies.
        tap_y, tap_x = Signal(corner_shape), Signal(corner_shape)

        # The kernel may lie beside the map altogether.
        beside_y, beside_x, silent = Signal(), Signal(), Signal()
        nothing = silent | beside_y | beside_x

        # Where the loops end, known a cycle after ``start``.
        ky_end, kx_end = Signal.like(ky), Signal.like(kx)
        map_y_end, map_x_end = Signal.like(layer.input_height), Signal.like(layer.input_width)
        shift = walker_shift(layer, cfg)
        walkers = 1 << shift
        line_end, window_end = Signal.like(ox), Signal.like(window)
        m.d.sync += [
            ky_end.eq(layer.kernel_height - 1), map_y_end.eq(layer.input_height - 1),
            kx_end.eq(layer.kernel_width - 1), map_x_end.eq(layer.input_width - 1),
            line_end.eq(layer.output_width - walkers), window_end.eq(layer.output_pixels - walkers),
        ]
        chunk_last = nothing | (chunk_channels <= cfg.span_lanes)
        kx_last = nothing | (kx == kx_end) | (tap_x == map_x_end)
        ky_last = nothing | (ky == ky_end) | (tap_y == map_y_end)
        px_last = px + 1 == layer.pool
        py_last = py + 1 == layer.pool
        line_done = ox >= line_end
        map_done = window >= window_end
        group_columns = cfg.group_columns >> shift
        group_last = channels_left <= group_columns
        # Where the first window lies.
        left = (layer.window_hop >> shift) * self.number - layer.padding

        tap_done = chunk_last & kx_last
        pixel_done = tap_done & ky_last
        row_done = pixel_done & px_last
        window_done = row_done & py_last
        group_done = window_done & map_done

        def place_y(at):
            """Put the kernel's corner ``at``, and the tap on the first of the kernel that is inside the map."""
            outside = at < 0
            return [y.eq(at), tap_y.eq(Mux(outside, 0, at)), ky.eq(Mux(outside, -at, 0)),
                    beside_y.eq((at >= layer.input_height) | (at + layer.kernel_height <= 0))]

        def place_x(at):
            outside = at < 0
            return [x.eq(at), tap_x.eq(Mux(outside, 0, at)), kx.eq(Mux(outside, -at, 0)),
                    beside_x.eq((at >= layer.input_width) | (at + layer.kernel_width <= 0))]

        def next_of(counter, last):
            return counter.eq(Mux(last, 0, counter + 1))

        with m.If(step & walking):
            m.d.sync += [
                next_of(chunk, chunk_last),
                chunk_channels.eq(Mux(chunk_last, layer.input_channels, chunk_channels - cfg.span_lanes)),
            ]
            with m.If(chunk_last):
                m.d.sync += [kx.eq(kx + 1), tap_x.eq(tap_x + 1)]
            with m.If(tap_done):
                m.d.sync += [ky.eq(ky + 1), tap_y.eq(tap_y + 1), *place_x(x)]
            with m.If(pixel_done):
                m.d.sync += [next_of(px, px_last), *place_y(y)]
                with m.If(px_last):
                    m.d.sync += place_x(window_x)
                with m.Else():
                    m.d.sync += place_x(x + layer.stride)
            with m.If(row_done):
                m.d.sync += next_of(py, py_last)
                with m.If(py_last):
                    m.d.sync += place_y(window_y)
                with m.Else():
                    m.d.sync += place_y(y + layer.stride)
            with m.If(window_done):
                m.d.sync += window.eq(window + walkers)
                with m.If(line_done):
                    first_x = window_x - layer.line_back
                    m.d.sync += [
                        ox.eq(ox + walkers - layer.output_width),
                        window_x.eq(first_x), *place_x(first_x),
                        window_y.eq(y + layer.stride), *place_y(y + layer.stride),
                    ]
                with m.Else():
                    next_x = window_x + layer.window_hop
                    m.d.sync += [
                        ox.eq(ox + walkers),
                        window_x.eq(next_x), *place_x(next_x),
                    ]
            with m.If(group_done):
                m.d.sync += [
                    window.eq(self.number), ox.eq(self.number),
                    window_x.eq(left), *place_x(left),
                    window_y.eq(-layer.padding), *place_y(-layer.padding),
                    channels_left.eq(channels_left - group_columns),
                    group_row.eq(group_row + layer.group_rows),
                    walking.eq(~group_last),
                ]
        with m.If(self.start):
            m.d.sync += [
                walking.eq(1),
                silent.eq(self.silent),
                channels_left.eq(layer.output_channels),
                group_row.eq(layer.row_base),
                window.eq(self.number), ox.eq(self.number),
                Cat(py, px, chunk).eq(0),
                chunk_channels.eq(layer.input_channels),
                window_x.eq(left), *place_x(left),
                window_y.eq(-layer.padding), *place_y(-layer.padding),
            ]

        # Stage 1: input pixel and tap, and where those of this chunk begin.
        pixel, tap = Signal(ADDRESS_WIDTH), Signal(ADDRESS_WIDTH)
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
                pixel.eq(tap_y[:len(layer.input_height)] * layer.input_width + tap_x[:len(layer.input_width)]),
                tap.eq(ky * layer.kernel_width + kx),
                chunk_address.eq(layer.input_base + (chunk << exact_log2(cfg.span))),
                chunk_row.eq(group_row + (chunk << ceil_log2(cfg.span_lanes))),
                placed_channels.eq(chunk_channels),
                placed.columns.eq(Mux(group_last, channels_left, group_columns)),
                placed.last.eq(pixel_done),
                placed_valid.eq(walking),
                placed_reads.eq(walking & ~nothing),

                address.eq(chunk_address + pixel[:20] * layer.input_words),
                row.eq(chunk_row + tap[:16] * layer.input_channels),
                channels.eq(placed_channels),
                addressed.eq(placed),
                addressed_valid.eq(placed_valid),
                addressed_reads.eq(placed_reads),

                read.eq(addressed),
                # Lane 0 of the row may lie before the pixel.
                read.row.eq(row - (first << ceil_log2(LANES))),
                own.eq(Mux(addressed_reads, filled << first, 0)),
                self.o.valid.eq(addressed_valid),
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
