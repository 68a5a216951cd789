"""A finished pixel, a few columns a cycle, with its biases and its state."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from model.config import ProcessorConfig

from .layouts import Charges, Descriptor, Parameter
from .store import ADDRESS_WIDTH, ReadSignature

__all__ = ["Place", "Beat", "Parameters", "Drain"]


class Place(data.StructLayout):
    """Where the neurons of a beat stand. Travels beside them."""

    def __init__(self, cfg: ProcessorConfig):
        super().__init__({
            "lanes": cfg.encoders,                      # which lanes hold neurons
            "index": range(cfg.group_beats),            # beat of the column group
            "first": 1,                                 # first pixel of its pooling window
            "complete": 1,                              # last pixel of its pooling window
            "full": 1,                                  # last beat of a spike word
            "last": 1,                                  # last beat of the layer
            "state_address": ADDRESS_WIDTH,
            "word_address": ADDRESS_WIDTH,
        })


def Parameters(cfg: ProcessorConfig) -> data.ArrayLayout:
    """A word of the parameter store."""
    return data.ArrayLayout(Parameter(), cfg.encoders)


class Beat(data.StructLayout):
    """Neurons about to fire."""

    def __init__(self, cfg: ProcessorConfig):
        super().__init__({
            "charges": Charges(cfg, cfg.encoders),
            "states": Charges(cfg, cfg.encoders),
            "parameters": Parameters(cfg),
            "place": Place(cfg),
        })


class Drain(wiring.Component):
    """Cut the charges of a pixel into beats of ``encoders`` neurons and fetch what they fire with.

    The output side of the walker's loops: column groups, pooling windows, pixels of a window, beats. One
    beat a cycle, two cycles after its charges; a pixel's charges are taken with its last beat.
    Back-pressure on ``o`` stalls ``i``.

    Parameters
    ----------
    cfg : ProcessorConfig

    Members
    -------
    layer : In(Descriptor)
        Must not change from ``start`` to the last beat.
    fresh : In(1)
        The layer's first active timestep: all states are zero. Must not change either.
    start : In(1)
        Begin a layer. Only after the last beat of the layer before.
    i : In(stream.Signature(Charges(cfg, cfg.group_columns)))
    parameters : Out(ReadSignature(Parameters(cfg)))
    states : Out(ReadSignature(Charges(cfg, cfg.encoders)))
    o : Out(stream.Signature(Beat(cfg)))
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({
            "layer": In(Descriptor),
            "fresh": In(1),
            "start": In(1),
            "i": In(stream.Signature(Charges(cfg, cfg.group_columns))),
            "parameters": Out(ReadSignature(Parameters(cfg))),
            "states": Out(ReadSignature(Charges(cfg, cfg.encoders))),
            "o": Out(stream.Signature(Beat(cfg))),
        })

    def elaborate(self, platform):
        m = Module()
        cfg, layer = self.cfg, self.layer

        step = Signal()
        m.d.comb += step.eq(~self.o.valid | self.o.ready)

        # The loops, innermost last: group, output pixel, pixel of its pooling window, beat.
        group_channels = Signal.like(layer.output_channels)
        output_pixel = Signal.like(layer.output_pixels)
        window_pixel = Signal.like(layer.pool_area)
        index = Signal(range(cfg.group_beats))
        # Channels of this pixel from this beat on.
        beat_channels = Signal.like(layer.output_channels)

        group_parameters = Signal(ADDRESS_WIDTH)
        state_address = Signal(ADDRESS_WIDTH)
        group_words, pixel_words, word_address = (Signal(ADDRESS_WIDTH, name=name)
                                                  for name in ("group_words", "pixel_words", "word_address"))

        index_last = (beat_channels <= cfg.encoders) | (index == cfg.group_beats - 1)
        window_last = window_pixel + 1 == layer.pool_area
        pixel_last = output_pixel + 1 == layer.output_pixels
        group_last = group_channels <= cfg.group_columns

        pixel_done = index_last
        window_done = pixel_done & window_last
        group_done = window_done & pixel_last
        word_full = index_last | ((index + 1) % cfg.word_beats == 0)

        with m.If(step & self.i.valid):
            m.d.sync += [
                index.eq(Mux(index_last, 0, index + 1)),
                beat_channels.eq(Mux(index_last, group_channels, beat_channels - cfg.encoders)),
                state_address.eq(state_address + 1),
                word_address.eq(word_address + word_full),
            ]
            with m.If(pixel_done):
                m.d.sync += [
                    window_pixel.eq(Mux(window_last, 0, window_pixel + 1)),
                    word_address.eq(pixel_words),
                ]
            with m.If(window_done):
                m.d.sync += [
                    output_pixel.eq(Mux(pixel_last, 0, output_pixel + 1)),
                    pixel_words.eq(pixel_words + layer.output_words),
                    word_address.eq(pixel_words + layer.output_words),
                ]
            with m.If(group_done):
                m.d.sync += [
                    group_channels.eq(group_channels - cfg.group_columns),
                    beat_channels.eq(group_channels - cfg.group_columns),
                    group_parameters.eq(group_parameters + cfg.group_beats),
                    group_words.eq(group_words + cfg.group_words),
                    pixel_words.eq(group_words + cfg.group_words),
                    word_address.eq(group_words + cfg.group_words),
                ]
        with m.If(self.start):
            m.d.sync += [
                Cat(output_pixel, window_pixel, index).eq(0),
                group_channels.eq(layer.output_channels),
                beat_channels.eq(layer.output_channels),
                group_parameters.eq(layer.parameter_base),
                state_address.eq(layer.state_base),
                group_words.eq(layer.output_base),
                pixel_words.eq(layer.output_base),
                word_address.eq(layer.output_base),
            ]

        m.d.comb += [
            self.i.ready.eq(step & index_last),
            self.parameters.address.eq(group_parameters + index),
            self.parameters.enable.eq(step & self.i.valid),
            self.states.address.eq(state_address),
            self.states.enable.eq(step & self.i.valid & layer.stateful & ~self.fresh),
        ]

        # The cycle in which the memories answer.
        charges = Signal(Charges(cfg, cfg.encoders))
        place = Signal(Place(cfg))
        beats = Value.cast(self.i.p)
        with m.If(step):
            m.d.sync += [
                self.o.valid.eq(self.i.valid),
                charges.eq(beats.word_select(index, len(Value.cast(charges)))),
                place.lanes.eq(Cat(beat_channels > lane for lane in range(cfg.encoders))),
                place.index.eq(index),
                place.first.eq(window_pixel == 0),
                place.complete.eq(window_last),
                place.full.eq(word_full),
                place.last.eq(group_done & group_last),
                place.state_address.eq(state_address),
                place.word_address.eq(word_address),
            ]
        m.d.comb += [
            self.o.p.charges.eq(charges),
            self.o.p.place.eq(place),
            self.o.p.parameters.eq(self.parameters.data),
        ]
        with m.If(layer.stateful & ~self.fresh):
            m.d.comb += self.o.p.states.eq(self.states.data)
        return m
