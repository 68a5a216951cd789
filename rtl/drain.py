"""A finished pixel, a few columns a cycle, with its biases and its state."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from model.config import CORNERS, ProcessorConfig

from .layouts import Charges, Descriptor, Parameter, walker_shift
from .store import ADDRESS_WIDTH, ReadSignature

__all__ = ["Place", "Beat", "Parameters", "Drain"]


class Place(data.StructLayout):
    """Where the neurons of a beat stand. Travels beside them."""

    def __init__(self, cfg: ProcessorConfig):
        super().__init__({
            "lanes": cfg.encoders,                      # which lanes hold neurons
            "index": range(cfg.group_beats),            # beat of all tiles
            "first": 1,                                 # first pixel of its pooling window
            "complete": 1,                              # last pixel of its pooling window
            "full": 1,                                  # last beat of a spike word
            "last": 1,                                  # last beat of the layer
            "state_address": ADDRESS_WIDTH,
            "word_address": ADDRESS_WIDTH,
            **({"seen": Descriptor["output_seen"].width,    # where it is noted that these channels spiked
                "corners": CORNERS,                         # in which corners, see rtl.seen
                "begins": 1} if cfg.memory_width else {}),  # first pooling window of the map
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

    The output side of the walkers' loops: column groups, as many pooling windows as there are walkers, pixels of a
    window, walkers, beats. One beat a cycle, two cycles after its charges; a pixel's charges are taken with its
    last beat. A beat of a readout is followed by as many cycles without one as it has neurons but one, in which its
    logits leave. Back-pressure on ``o`` stalls ``i``.

    Parameters
    ----------
    cfg : ProcessorConfig

    Members
    -------
    layer : In(Descriptor)
        Must not change from ``start`` to the last beat.
    fresh : In(1)
        The layer's first active timestep: all states are zero, but for those that the layer before left, and biases
        bring the potentials of the start. Must not change either.
    recall : In(1)
        Take the charges from the charge store, and nothing from ``i``. Must not change either.
    start : In(1)
        Begin a layer. Only after the last beat of the layer before.
    i : In(stream.Signature(Charges(cfg, cfg.group_columns // cfg.walkers))).array(cfg.walkers)
        A layer with fewer walkers than there are has several of these for each, which are valid together.
    group_done : Out(1)
        High in the cycle in which the last charges of a column group are taken.
    parameters : Out(ReadSignature(Parameters(cfg)))
    states, charges : Out(ReadSignature(Charges(cfg, cfg.encoders)))
    o : Out(stream.Signature(Beat(cfg)))
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({
            "layer": In(Descriptor),
            "fresh": In(1),
            "recall": In(1),
            "start": In(1),
            "i": In(stream.Signature(Charges(cfg, cfg.group_columns // cfg.walkers))).array(cfg.walkers),
            "group_done": Out(1),
            "parameters": Out(ReadSignature(Parameters(cfg))),
            "states": Out(ReadSignature(Charges(cfg, cfg.encoders))),
            "charges": Out(ReadSignature(Charges(cfg, cfg.encoders))),
            "o": Out(stream.Signature(Beat(cfg))),
        })

    def elaborate(self, platform):
        m = Module()
        cfg, layer = self.cfg, self.layer

        # Logits leave one by one: beats of a readout are as many cycles apart as they have neurons.
        pause = Signal(range(cfg.encoders + 1))
        free, step = Signal(), Signal()
        m.d.comb += [
            free.eq(~self.o.valid | self.o.ready),
            step.eq(free & (pause == 0)),
        ]

        # What the tiles of one walker hold of a column group.
        shift = walker_shift(layer, cfg)
        walkers = 1 << shift
        columns, beats, words = (full >> shift
                                 for full in (cfg.group_columns, cfg.group_beats, cfg.group_words))

        # The loops, innermost last: group, windows side by side, pixel of a window, walker, beat.
        group_channels = Signal.like(layer.output_channels)
        first_window = Signal.like(layer.output_pixels)
        window_pixel = Signal.like(layer.pool_area)
        walker = Signal(range(cfg.walkers + 1))
        beat = Signal(range(cfg.group_beats))
        # The walker's window; its first beat among those of all tiles; its channels from this beat on.
        window = Signal.like(layer.output_pixels)
        walker_index = Signal(range(cfg.group_beats))
        beat_channels = Signal.like(layer.output_channels)
        # Beats behind this one, and behind the first of a pixel.
        beats_left, pixel_beats_left = Signal.like(beat), Signal.like(beat)

        group_parameters = Signal(ADDRESS_WIDTH)
        state_address = Signal(ADDRESS_WIDTH)
        group_words, first_words, window_words, word_address = (
            Signal(ADDRESS_WIDTH, name=name) for name in ("group_words", "first_words", "window_words", "word_address"))

        # Where loops of the layer end, known a cycle after ``start``.
        last_window_pixel = Signal.like(window_pixel)
        one_window, next_last_window = Signal(), Signal.like(window)
        m.d.sync += [
            last_window_pixel.eq(layer.pool_area - 1),
            one_window.eq(layer.output_pixels == 1),
            next_last_window.eq(layer.output_pixels - 2),
        ]

        # ``window``, and ``first_window``, is the last of the map.
        map_last, first_last = Signal(), Signal()
        next_last = window == next_last_window
        beat_last = beats_left == 0
        walker_last = map_last | (walker + 1 == walkers)
        window_last = window_pixel == last_window_pixel
        group_last = group_channels <= columns

        walkers_done = beat_last & walker_last
        windows_done = walkers_done & window_last
        group_done = windows_done & map_last
        word_full = beat_last | ((beat + 1) % cfg.word_beats == 0)

        # The walker's tiles hold the charges of its pixel (all of them do if one does), or the charge store does.
        most_shift = exact_log2(cfg.walkers)
        recalling = Signal()
        complete = recalling | Cat(i.valid for i in self.i).bit_select((walker << most_shift) >> shift, 1)
        next_words = window_words + layer.output_words

        def begin_group(channels):
            left = Mux(channels > columns, beats - 1, (channels - 1) >> exact_log2(cfg.encoders))
            return [group_channels.eq(channels), beat_channels.eq(channels),
                    beats_left.eq(left), pixel_beats_left.eq(left)]

        with m.If(free & (pause != 0)):
            m.d.sync += pause.eq(pause - 1)
        with m.If(step & complete):
            with m.If(layer.readout):
                m.d.sync += pause.eq(Mux(beat_channels < cfg.encoders, beat_channels, cfg.encoders) - 1)
            m.d.sync += [
                beat.eq(Mux(beat_last, 0, beat + 1)),
                beats_left.eq(Mux(beat_last, pixel_beats_left, beats_left - 1)),
                beat_channels.eq(Mux(beat_last, group_channels, beat_channels - cfg.encoders)),
                state_address.eq(state_address + 1),
                word_address.eq(word_address + word_full),
            ]
            with m.If(beat_last):
                m.d.sync += [
                    walker.eq(walker + 1), walker_index.eq(walker_index + beats),
                    window.eq(window + 1), map_last.eq(next_last),
                    window_words.eq(next_words), word_address.eq(next_words),
                ]
            with m.If(walkers_done):
                m.d.sync += [
                    walker.eq(0), walker_index.eq(0),
                    window.eq(first_window), map_last.eq(first_last),
                    window_words.eq(first_words), word_address.eq(first_words),
                    window_pixel.eq(Mux(window_last, 0, window_pixel + 1)),
                ]
            with m.If(windows_done):
                m.d.sync += [
                    first_window.eq(window + 1), first_last.eq(next_last),
                    window.eq(window + 1), map_last.eq(next_last),
                    first_words.eq(next_words), window_words.eq(next_words), word_address.eq(next_words),
                ]
            with m.If(group_done):
                next_group = group_words + words
                m.d.sync += [
                    first_window.eq(0), first_last.eq(one_window),
                    window.eq(0), map_last.eq(one_window),
                    *begin_group(group_channels - columns),
                    group_parameters.eq(group_parameters + beats),
                    group_words.eq(next_group), first_words.eq(next_group), window_words.eq(next_group),
                    word_address.eq(next_group),
                    recalling.eq(recalling & ~group_last),
                ]
        with m.If(self.start):
            m.d.sync += [
                recalling.eq(self.recall),
                first_last.eq(layer.output_pixels == 1), map_last.eq(layer.output_pixels == 1),
                Cat(first_window, window_pixel, walker, beat, window, walker_index).eq(0),
                *begin_group(layer.output_channels),
                group_parameters.eq(Mux(self.fresh, layer.start_base, layer.parameter_base)),
                state_address.eq(layer.state_base),
                group_words.eq(layer.output_base), first_words.eq(layer.output_base),
                window_words.eq(layer.output_base), word_address.eq(layer.output_base),
            ]

        index = walker_index + beat
        # There are potentials from before: of this timestep, or of one before.
        keeps = layer.stateful & (layer.adds | ~self.fresh)
        m.d.comb += [
            self.group_done.eq(step & complete & group_done & ~recalling),
            self.parameters.address.eq(group_parameters + beat),
            self.parameters.enable.eq(step & complete),
            self.states.address.eq(state_address),
            self.states.enable.eq(step & complete & keeps),
            self.charges.address.eq(state_address),
            self.charges.enable.eq(step & recalling),
        ]
        for number, i in enumerate(self.i):
            m.d.comb += i.ready.eq(step & beat_last & ((number << shift) >> most_shift == walker))

        # The cycle in which the memories answer.
        charges = Signal(Charges(cfg, cfg.encoders))
        place = Signal(Place(cfg))
        charges_of_all = Cat(Value.cast(i.p) for i in self.i)
        with m.If(free):
            m.d.sync += self.o.valid.eq(0)
        with m.If(step):
            m.d.sync += [
                self.o.valid.eq(complete),
                charges.eq(charges_of_all.word_select(index, len(Value.cast(charges)))),
                place.lanes.eq(Cat(beat_channels > lane for lane in range(cfg.encoders))),
                place.index.eq(index),
                place.first.eq(window_pixel == 0),
                place.complete.eq(window_last),
                place.full.eq(word_full),
                place.last.eq(group_done & group_last),
                place.state_address.eq(state_address),
                place.word_address.eq(word_address),
            ]
        if cfg.memory_width:
            group_seen, seen = Signal.like(place.seen), Signal.like(place.seen)
            # Where the window lies on its line; where the last line and the last column begin.
            first_x, x = Signal.like(layer.output_width), Signal.like(layer.output_width)
            last_line, last_x = Signal.like(window), Signal.like(x)
            m.d.sync += [last_line.eq(layer.output_pixels - layer.output_width), last_x.eq(layer.output_width - 1)]
            next_x = Mux(x == last_x, 0, x + 1)
            one_line, one_column = last_line == 0, last_x == 0
            lines = (window < last_line) | one_line, (window >= layer.output_width) | one_line
            sides = (x != last_x) | one_column, (x != 0) | one_column
            with m.If(step & complete):
                m.d.sync += [
                    seen.eq(Mux(beat_last, group_seen, seen + word_full)),
                    place.seen.eq(seen),
                    place.corners.eq(Cat(line & side for line in lines for side in sides)),
                    place.begins.eq(window == 0),
                ]
                with m.If(beat_last):
                    m.d.sync += x.eq(next_x)
                with m.If(walkers_done):
                    m.d.sync += x.eq(first_x)
                with m.If(windows_done):
                    m.d.sync += [first_x.eq(next_x), x.eq(next_x)]
                with m.If(group_done):
                    m.d.sync += [group_seen.eq(group_seen + words), seen.eq(group_seen + words), first_x.eq(0), x.eq(0)]
            with m.If(self.start):
                m.d.sync += [group_seen.eq(layer.output_seen), seen.eq(layer.output_seen), first_x.eq(0), x.eq(0)]
        m.d.comb += [
            self.o.p.charges.eq(Mux(self.recall, Value.cast(self.charges.data), Value.cast(charges))),
            self.o.p.place.eq(place),
            self.o.p.parameters.eq(self.parameters.data),
        ]
        with m.If(keeps):
            m.d.comb += self.o.p.states.eq(self.states.data)
        return m
