"""The datapath: spikes of one layer to spikes of the next. Twin of :func:`model.processor.step`."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2, exact_log2

from model.config import CORNERS, LANES, SILENT, WORD_WIDTH, ProcessorConfig

from .drain import Drain, Parameters
from .exit import Logit
from .fire import Fire
from .layouts import Charges, Descriptor, SpikeRow, SpikeWord, walker_shift
from .picker import Picker
from .pool import Pool
from .readout import Readout
from .seen import Seen
from .spike_store import SpikeStore
from .store import ADDRESS_WIDTH, ReadSignature, Store, WriteSignature
from .tile import Tile, WeightRow
from .walker import GroupCount, Walker

__all__ = ["Activity", "Emission", "Core"]


class Activity(data.StructLayout):
    """What the datapath does in one cycle, for the counters."""

    def __init__(self, cfg: ProcessorConfig):
        super().__init__({
            "events": range(cfg.walkers + 1),           # events that opened a row
            "empty": range(cfg.walkers + 1),            # fetches without spikes that passed
            "blocked": range(cfg.walkers + 1),          # walkers whose tiles waited for the fire unit
            "operations": range(cfg.group_columns + 1), # columns in use of the rows that were opened
            "spikes": range(cfg.encoders + 1),          # neurons that fired
            "neurons": range(cfg.encoders + 1),         # neurons that were evaluated
        })


class Emission(data.StructLayout):
    """A word that leaves the layer: 16 codes, or one logit filled up with zeros."""

    def __init__(self):
        super().__init__({
            "valid": 1,
            "address": ADDRESS_WIDTH,       # in the spike store; 0 for a logit
            "word": WORD_WIDTH,
        })


class Core(wiring.Component):
    """Walk, pick, integrate, drain, fire, pool.

    Parameters
    ----------
    cfg : ProcessorConfig

    Members
    -------
    layer : In(Descriptor)
    silent : In(1)
    fresh : In(1)
        See :class:`~rtl.walker.Walker` and :class:`~rtl.drain.Drain`.
    start : In(1)
        Begin a layer. Only when idle.
    drained : Out(1)
        High when the last neurons of a layer have fired: the next one may begin a cycle later. Their word leaves in
        that cycle, and is written in the one after. A readout has its last logit instead.
    load_spikes, load_parameters, load_rows : In(WriteSignature)
        Only when idle; but for rows of column groups from the memory. One ``load_rows`` per tile.
    load_states : In(WriteSignature), move_spikes, move_states : In(ReadSignature)
        Only while no layer runs; with a memory only.
    begin : In(1)
        High in the cycle in which a run begins.
    groups_came : In(2)
        Column groups from the memory since the begin of the run, modulo 4.
    group_released : Out(1)
        High for a cycle when one of them is not needed any more.
    seen_address : In, seen_corners : In(4), seen_data : Out(16)
        See :class:`~rtl.seen.Seen`; without a memory, or where the source of the layer is silent, nothing is seen.
    logits : Out(stream.Signature(Logit(cfg), always_ready=True))
    activity : Out(Activity(cfg))
    emission : Out(Emission())
    fault : Out(1), fault_address : Out(32)
        High in the cycle of an access beyond a store or the tile's rows; in the cycle after, its address.
    """

    def __init__(self, cfg: ProcessorConfig):
        self.cfg = cfg
        super().__init__({
            "layer": In(Descriptor),
            "silent": In(1),
            "fresh": In(1),
            "start": In(1),
            "drained": Out(1),
            "load_spikes": In(WriteSignature(SpikeWord)),
            "load_parameters": In(WriteSignature(Parameters(cfg))),
            "load_rows": In(WriteSignature(WeightRow(cfg))).array(cfg.tiles),
            **({"load_states": In(WriteSignature(Charges(cfg, cfg.encoders))),
                "move_spikes": In(ReadSignature(SpikeRow(cfg))),
                "move_states": In(ReadSignature(Charges(cfg, cfg.encoders)))} if cfg.memory_width else {}),
            "begin": In(1),
            "groups_came": In(GroupCount),
            "group_released": Out(1),
            "seen_address": In(ceil_log2(cfg.seen_words)),
            "seen_corners": In(CORNERS),
            "seen_data": Out(LANES),
            "logits": Out(stream.Signature(Logit(cfg), always_ready=True)),
            "activity": Out(Activity(cfg)),
            "emission": Out(Emission()),
            "fault": Out(1),
            "fault_address": Out(ADDRESS_WIDTH),
        })

    def elaborate(self, platform):
        m = Module()
        cfg, layer = self.cfg, self.layer

        m.submodules.spikes = spikes = SpikeStore(cfg)
        m.submodules.parameters = parameters = Store(Parameters(cfg), cfg.parameter_words)
        m.submodules.states = states = Store(Charges(cfg, cfg.encoders), cfg.state_words)
        m.submodules.charges = charges = Store(Charges(cfg, cfg.encoders), cfg.charge_words)
        m.submodules.drain = drain = Drain(cfg)
        m.submodules.fire = fire = Fire(cfg)
        m.submodules.pool = pool = Pool(cfg)
        m.submodules.readout = readout = Readout(cfg)
        recall = layer.recall & ~self.fresh
        m.d.comb += [
            drain.layer.eq(layer),
            drain.fresh.eq(self.fresh),
            drain.recall.eq(recall),
            drain.start.eq(self.start),
            fire.layer.eq(layer),
        ]

        groups_done = Signal(GroupCount)
        m.d.comb += self.group_released.eq(drain.group_done & layer.streamed)
        with m.If(self.group_released):
            m.d.sync += groups_done.eq(groups_done + 1)
        with m.If(self.begin):
            m.d.sync += groups_done.eq(0)

        shift = walker_shift(layer, cfg)
        walkers, pickers = [], []
        for number in range(cfg.walkers):
            m.submodules[f"walker_{number}"] = walker = Walker(cfg, number)
            m.submodules[f"picker_{number}"] = picker = Picker(cfg)
            m.d.comb += [
                walker.layer.eq(layer),
                walker.silent.eq(self.silent),
                walker.start.eq(self.start & ~recall & (number >> shift == 0)),
                walker.groups_done.eq(groups_done),
                walker.groups_came.eq(self.groups_came),
                picker.grain_shift.eq(layer.input_shift),
            ]
            wiring.connect(m, walker.spikes, spikes.reads[number])
            wiring.connect(m, walker.o, picker.i)
            walkers.append(walker)
            pickers.append(picker)

        # Tiles that share a walker see the same events and take the same time, so the first one speaks for all.
        share = cfg.tiles // cfg.walkers
        for first in range(cfg.walkers):
            feeds = Signal(range(cfg.walkers + 1), name=f"feeds_{first}")
            m.d.comb += feeds.eq(first << shift >> exact_log2(cfg.walkers))
            tiles = []
            for index in range(first * share, (first + 1) * share):
                m.submodules[f"tile_{index}"] = tile = Tile(cfg)
                wiring.connect(m, wiring.flipped(self.load_rows[index]), tile.load)
                m.d.comb += [
                    tile.grain_shift.eq(layer.weight_shift),
                    tile.o.ready.eq(drain.i[first].ready),
                ]
                with m.Switch(feeds):
                    for number, picker in enumerate(pickers):
                        with m.Case(number):
                            m.d.comb += [
                                tile.i.payload.eq(picker.o.payload),
                                tile.i.valid.eq(picker.o.valid),
                            ]
                tiles.append(tile)
            m.d.comb += [
                drain.i[first].valid.eq(tiles[0].o.valid),
                Value.cast(drain.i[first].payload).eq(Cat(Value.cast(tile.o.payload) for tile in tiles)),
            ]
            with m.Switch(feeds):
                for number, picker in enumerate(pickers):
                    with m.Case(number):
                        m.d.comb += picker.o.ready.eq(tiles[0].i.ready)

        wiring.connect(m, drain.states, states.read)
        wiring.connect(m, drain.charges, charges.read)
        wiring.connect(m, drain.parameters, parameters.read)
        wiring.connect(m, wiring.flipped(self.load_parameters), parameters.write)
        wiring.connect(m, drain.o, fire.i)

        # What will be recalled lies where the state of its neuron does.
        m.d.comb += [
            charges.write.address.eq(drain.o.p.place.state_address),
            charges.write.data.eq(drain.o.p.charges),
            charges.write.enable.eq(drain.o.valid & drain.o.ready & layer.recall & self.fresh),
        ]

        fired = fire.o.valid & fire.o.ready
        m.d.comb += [
            pool.i.payload.eq(fire.o.payload),
            pool.i.valid.eq(fire.o.valid & ~layer.readout & ~layer.partial),
            readout.i.payload.eq(fire.o.payload),
            readout.i.valid.eq(fire.o.valid & layer.readout),
            fire.o.ready.eq(Mux(layer.readout, readout.i.ready, pool.i.ready)),
        ]
        wiring.connect(m, fire.states, states.write)
        wiring.connect(m, readout.o, wiring.flipped(self.logits))

        m.d.comb += [
            pool.o.ready.eq(1),
            spikes.write.address.eq(Mux(pool.o.valid, pool.o.p.address, self.load_spikes.address)),
            spikes.write.data.eq(Mux(pool.o.valid, Value.cast(pool.o.p.codes), Value.cast(self.load_spikes.data))),
            spikes.write.enable.eq(pool.o.valid | self.load_spikes.enable),
            self.drained.eq(fired & fire.o.p.place.last & ~layer.readout),
        ]
        if cfg.memory_width:
            for read, move in ((spikes.reads[0], self.move_spikes), (states.read, self.move_states)):
                m.d.comb += move.data.eq(read.data)
                with m.If(move.enable):
                    m.d.comb += [read.address.eq(move.address), read.enable.eq(1)]
            with m.If(self.load_states.enable):
                m.d.comb += [states.write.address.eq(self.load_states.address),
                             states.write.data.eq(self.load_states.data), states.write.enable.eq(1)]
            m.submodules.seen = seen = Seen(cfg)
            m.d.comb += [
                seen.word.eq(pool.o.payload),
                seen.enable.eq(pool.o.valid),
                seen.address.eq(self.seen_address),
                seen.corners.eq(self.seen_corners),
                self.seen_data.eq(Mux(self.silent, 0, seen.data)),
            ]
        for block in *walkers, spikes, parameters, states, charges:
            fault, address = Signal(), Signal.like(self.fault_address)
            m.d.sync += [fault.eq(block.fault), address.eq(block.fault_address)]
            with m.If(block.fault):
                m.d.comb += self.fault.eq(1)
            with m.If(fault):
                m.d.comb += self.fault_address.eq(address)

        logit = self.logits.valid
        m.d.comb += [
            self.emission.valid.eq(pool.o.valid | logit),
            self.emission.address.eq(Mux(logit, 0, pool.o.p.address)),
            self.emission.word.eq(Mux(logit, self.logits.p.value.as_unsigned(), Value.cast(pool.o.p.codes))),
        ]

        # What the pickers do, a cycle late, as nothing waits for it.
        events, empties, blocked, columns = [], [], [], []
        for picker in pickers:
            event, empty, waits, opened = Signal(), Signal(), Signal(), Signal.like(picker.o.p.columns)
            m.d.sync += [
                event.eq(picker.o.valid & picker.o.ready & picker.o.p.spike),
                empty.eq(picker.o.valid & picker.o.ready & ~picker.o.p.spike),
                waits.eq(picker.o.valid & ~picker.o.ready),
                opened.eq(picker.o.p.columns),
            ]
            events.append(event)
            empties.append(empty)
            blocked.append(waits)
            columns.append(Mux(event, opened, 0))
        neurons = Mux(fired & ~layer.partial, sum(lane for lane in fire.o.p.place.lanes), 0)
        m.d.comb += [
            self.activity.events.eq(sum(events)),
            self.activity.empty.eq(sum(empties)),
            self.activity.blocked.eq(sum(blocked)),
            self.activity.operations.eq(sum(columns)),
            self.activity.spikes.eq(Mux(fired, sum(code != SILENT for code in fire.o.p.codes), 0)),
            self.activity.neurons.eq(neurons),
        ]
        return m
