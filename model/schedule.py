"""What a processor does in every timestep, one after the other: layers, and words that move to and from its memory.

A map for which there is no room on the processor lies in the memory. Layers that read or emit it run in **bands**, a
few lines of their map at a time: what a band reads is brought to the spike store before it, and what it emits is put
into the memory behind it. Potentials that are kept from timestep to timestep, and do not fit, move with their band.
Every step is a layer to the sequencer, and has a descriptor.
"""

from dataclasses import dataclass

from .config import ProcessorConfig, Way, moved_beats
from .image import picture_beat
from .network import Layer, Network, NetworkError

__all__ = ["Band", "Move", "Step", "fit", "integrations", "pixel_beats", "schedule", "steps"]


@dataclass(frozen=True, kw_only=True)
class Band:
    """A layer, or what it does for some lines of its map.

    Parameters
    ----------
    layer : int
        Counted from 0.
    lines : range
        Of the map, that it emits.
    reads : range
        Lines of its source.
    source : int
        The step, counted from 1, that was the last to emit what it reads; 0 for the picture.
    input_word, output_word : int
        Of the spike store: the first of what it reads, and of what it emits.
    state_word : int, optional
        Of the state store, if it keeps potentials or leaves them to the next layer.
    """

    layer: int
    lines: range
    reads: range
    source: int
    input_word: int = 0
    output_word: int = 0
    state_word: int | None = None


@dataclass(frozen=True, kw_only=True)
class Move:
    """Words that move between a store and the memory.

    Parameters
    ----------
    layer : int
        For which they move, counted from 0.
    way : Way
    states : bool
        Of the state store, rather than the spike store.
    word, words : int
        The first one of the store, and how many.
    beat : int
        Where they lie in the memory: from the first one behind all weights, or of the picture.
    picture : bool
        It is a part of the picture.
    mask : int
        As of a layer.
    """

    layer: int
    way: Way
    states: bool
    word: int
    words: int
    beat: int
    picture: bool = False
    mask: int = 0


Step = Band | Move


def fit(network: Network, name: str, needed: int, available: int):
    """See that the processor has as much of ``name`` as is needed.

    Raises
    ------
    NetworkError
        If it has less.
    """
    if needed > available:
        raise NetworkError(f"network {network.name} is too large: it needs {name} = {needed}, "
                           f"the processor has {available}")


def integrations(layer: Layer, network: Network) -> int:
    """Timesteps whose charges meet in one potential."""
    return sum(layer.fires(timestep) for timestep in range(1, network.timesteps + 1))


def pixel_beats(layer: Layer, cfg: ProcessorConfig) -> int:
    """Beats of the fire unit for one pixel of all column groups."""
    return -(-layer.out_channels // cfg.encoders)


def steps(network: Network, cfg: ProcessorConfig) -> tuple[Step, ...]:
    """The steps of a timestep. Without a memory they are the layers, whether they fit or not.

    Raises
    ------
    NetworkError
        If the network is too large for a processor with a memory.
    """
    if cfg.memory_width:
        return schedule(network, cfg)
    maps = network.maps()
    return tuple(Band(layer=index, lines=range(maps[index + 1][1]), reads=range(maps[source][1]), source=source)
                 for index, source in enumerate(network.sources))


def schedule(network: Network, cfg: ProcessorConfig) -> tuple[Step, ...]:
    """The steps of a timestep, and where everything lies.

    If not all maps fit, and there is a memory, the largest goes there, and then the next.

    Raises
    ------
    NetworkError
        If the network is too large; the message names the memory, its size and what is needed.
    """
    spilled = set()
    while True:
        try:
            return _Placement(network, cfg, frozenset(spilled)).steps()
        except NetworkError:
            left = {map: _words(network, map, cfg) for map in range(len(network.layers))
                    if map not in spilled and (map == 0 or not network.layers[map - 1].partial)}
            if not cfg.memory_width or not left:
                raise
            spilled.add(max(left, key=left.get))


def _line_words(network: Network, map: int, cfg: ProcessorConfig) -> int:
    channels, _, width = network.maps()[map]
    return cfg.pixel_words(channels) * width


def _words(network: Network, map: int, cfg: ProcessorConfig, lines: int | None = None) -> int:
    """Words of the spike store that a map takes, or some lines of it: whole rows of the store."""
    words = _line_words(network, map, cfg) * (network.maps()[map][1] if lines is None else lines)
    return -(-words // cfg.span) * cfg.span


def _reads(layer: Layer, lines: range, height: int) -> range:
    """Lines of a source of so many that ``lines`` of a layer's map are made of."""
    first = lines.start * layer.pool * layer.stride - layer.padding
    last = (lines.stop * layer.pool - 1) * layer.stride - layer.padding + layer.kernel[0]
    return range(max(first, 0), min(last, height))


class _Placement:
    """Everything in its place, with some maps in the memory.

    Parameters
    ----------
    network : Network
    cfg : ProcessorConfig
    spilled : frozenset of int
        Maps in the memory, numbered as :attr:`Network.sources` does.
    """

    def __init__(self, network: Network, cfg: ProcessorConfig, spilled: frozenset[int]):
        self.network, self.cfg, self.spilled, self.maps = network, cfg, spilled, network.maps()
        layers = network.layers
        self.sizes = [0 if map in spilled or map and (layers[map - 1].partial or layers[map - 1].readout)
                      else _words(network, map, cfg) for map in range(len(self.maps))]
        # Maps that keep their place: the picture, and those that are held over timesteps.
        self.stays = [True] + [layer.hold and integrations(layer, network) < network.timesteps for layer in layers]
        # Layers whose potentials are kept over timesteps, or are left to the next layer.
        self.kept = [integrations(layer, network) > 1 for layer in layers]
        self.summed = [len(network.sum_of(index)) > 1 for index in range(len(layers))]
        self.states, self.shared = self._place_states()
        self.lives = [self._life(map) for map in range(len(self.maps))]
        self.free = 0
        self.places = self._place_maps()

    def steps(self) -> tuple[Step, ...]:
        """Of a timestep, in order."""
        steps, emitted, beat = [], {0: 0}, 0
        beats = {0: picture_beat(self.cfg.memory_width)} if 0 in self.spilled else {}
        for map in sorted(self.spilled - {0}):
            beats[map] = beat
            beat += _words(self.network, map, self.cfg) * moved_beats(self.cfg, states=False)
        index = 0
        while index < len(self.network.layers):
            members = self.network.sum_of(index)
            state_beat = beat
            if self._moves_states(members):
                beat += self._state_words(members[-1]) * moved_beats(self.cfg, states=True)
            self._run(members, steps, emitted, beats, state_beat)
            index = members.stop
        return tuple(steps)

    def _life(self, map: int) -> range:
        """The layers, counted from 1, that run while a map is written or read.

        In bands, all layers of a sum run again and again.
        """
        first, readers = map, [reader for reader, source in enumerate(self.network.sources, start=1) if source == map]
        shared = self.cfg.state_words - self.shared
        if self.spilled or any(self._borrows(index) and self._state_words(index) > shared
                               for index in range(len(self.network.layers))):
            first = self.network.sum_of(map - 1).start + 1 if map else 0
            readers = [self.network.sum_of(reader - 1).stop for reader in readers]
        return range(first, 1 + max(readers, default=map))

    def _place_maps(self) -> list[int]:
        """First spike word of the picture and of every layer's map; 0 for those that lie in the memory.

        The picture, and maps that are held over timesteps, keep their place. All others live until their last reader
        has run. Each goes to the other end of what is free from that of the map it was made of, so that two that follow
        each other grow towards each other, and leave the middle to those that live longer.
        """
        network, sizes = self.network, self.sizes
        bases = [0] * len(sizes)
        for map, size in enumerate(sizes):
            if self.stays[map]:
                bases[map], self.free = self.free, self.free + size
        alive = [sum(size for size, its, life in zip(sizes, self.stays, self.lives) if not its and map in life)
                 for map in range(len(sizes))]
        fit(network, "spike_words", self.free + max(alive), self.cfg.spike_words)
        low = [False] * len(sizes)
        for map, (size, source) in enumerate(zip(sizes[1:], network.sources), start=1):
            if size == 0 or self.stays[map]:
                continue
            begins = range(self.lives[map].start, map + 1)
            gaps = [gap for gap in self._gaps(begins, bases, range(1, map)) if len(gap) >= size]
            if not gaps:
                raise NetworkError(f"network {network.name} is too large: layer {network.layers[map - 1].name} needs "
                                   f"{size} spike_words side by side, the maps alive with it leave none so long of "
                                   f"{self.cfg.spike_words}")
            low[map] = not low[source]
            bases[map] = gaps[0].start if low[map] else gaps[-1].stop - size
        return bases

    def _gaps(self, layers: range, bases: list[int], maps: range) -> list[range]:
        """What ``maps`` leave of the spike store while ``layers``, counted from 1, run."""
        taken = sorted((bases[map], bases[map] + self.sizes[map]) for map in maps
                       if self.sizes[map] and not self.stays[map] and any(each in self.lives[map] for each in layers))
        begins, ends = [self.free, *(end for _, end in taken)], [*(begin for begin, _ in taken), self.cfg.spike_words]
        return [range(begin, end) for begin, end in zip(begins, ends)]

    def _state_words(self, index: int, lines: int | None = None) -> int:
        """Of a layer's potentials, or of those of some lines of its map."""
        layer, (_, height, width) = self.network.layers[index], self.maps[index + 1]
        return pixel_beats(layer, self.cfg) * (height if lines is None else lines) * width * layer.pool ** 2

    def _place_states(self) -> tuple[list[int | None], int]:
        """First state word of every layer that keeps its potentials, and, where it recalls them, its charges.

        Layers of a sum share one. Those that end with their timestep, or move to the memory, have theirs in one place
        behind all others, whose first word is the second result; the first has none for those.
        """
        network, cfg = self.network, self.cfg
        ends = [members[-1] for members in map(network.sum_of, range(len(network.layers)))]
        stays = {end for end, kept in zip(ends, self.kept) if kept}

        def taken():
            return sum(map(self._state_words, stays))

        def behind():
            """Of one line, where more can wait in the memory."""
            return max((self._state_words(end, 1 if cfg.memory_width else None) for end in set(ends) - stays
                        if self.kept[end] or self.summed[end]), default=0)

        while cfg.memory_width and taken() + behind() > cfg.state_words:
            # Charges that are recalled cannot move, and a timestep ends with the readout.
            moves = [end for end in stays if not network.layers[end].recall and not network.layers[end].readout]
            if not moves:
                break
            stays.remove(max(moves, key=self._state_words))
        fit(network, "state_words", taken() + behind(), cfg.state_words)
        bases, free = [None] * len(ends), 0
        for index, end in enumerate(ends):
            if end in stays:
                bases[index] = bases[index - 1] if network.adds(index) else free
                free = bases[index] + self._state_words(end)
                if network.layers[index].recall:
                    fit(network, "charge_words", free, cfg.charge_words)
        return bases, free

    def _moves_states(self, members: range) -> bool:
        """Whether potentials that are kept move to the memory."""
        return self.kept[members[-1]] and self.states[members[-1]] is None

    def _borrows(self, index: int) -> bool:
        """Whether the potentials of a layer lie for a while in the place that all such layers share."""
        return self.states[index] is None and (self.kept[index] or self.summed[index])

    def _bands(self, members: range) -> tuple[list[range], int, int]:
        """The lines that each band of a sum emits, and where what it emits, and what it reads, find a place meanwhile.

        Raises
        ------
        NetworkError
            If there is no room for a single line.
        """
        network, cfg, last = self.network, self.cfg, members[-1]
        height = self.maps[last + 1][1]
        waits = last + 1 in self.spilled
        reads = [index for index in members if network.sources[index] in self.spilled]
        borrows, shared = self._borrows(last), cfg.state_words - self.shared
        gaps = self._gaps(range(members.start + 1, members.stop + 1), self.places, range(1, len(self.maps)))
        for lines in range(height, 0, -1):
            bands = [range(first, min(first + lines, height)) for first in range(0, height, lines)]
            out = _words(network, last + 1, cfg, lines) if waits else 0
            into = max((_words(network, network.sources[index], cfg, len(_reads(network.layers[index], band,
                        self.maps[network.sources[index]][1]))) for index in reads for band in bands), default=0)
            places = _side_by_side(out, into, gaps)
            if places and (not borrows or self._state_words(last, lines) <= shared):
                return bands, *places
        raise NetworkError(f"network {network.name} is too large: a line of layer {network.layers[last].name} and what "
                           f"it is made of need {out + into} spike_words and {self._state_words(last, 1) * borrows} "
                           f"state_words beside what stays, the processor has {cfg.spike_words} and {cfg.state_words}")

    def _run(self, members: range, steps: list[Step], emitted: dict[int, int], beats: dict[int, int], state_beat: int):
        """Append the steps of a sum, and note the last that emits its map."""
        network, cfg, last = self.network, self.cfg, members[-1]
        layer, first_state = network.layers[last], self.states[last]
        active = [k for k in range(1, network.timesteps + 1) if layer.fires(k)]
        mask = sum(1 << k - 1 for k in active)
        bands, out_word, in_word = self._bands(members)
        states_before = 0

        def move(way, states, word, words, beat, **fields):
            steps.append(Move(layer=last, way=way, states=states, word=word, words=words, beat=beat,
                              **{"mask": mask} | fields))

        for lines in bands:
            words = self._state_words(last, len(lines))
            state_word = self.shared if self._borrows(last) else None
            if first_state is not None:
                state_word = first_state + states_before
            its_states = state_beat + states_before * moved_beats(cfg, states=True)
            states_before += words
            if self._moves_states(members):
                move(Way.BRING, True, state_word, words, its_states, mask=mask & mask - 1)
            for index in members:
                source = network.sources[index]
                height = self.maps[source][1]
                whole = len(bands) == 1 and source not in self.spilled
                reads = range(height) if whole else _reads(network.layers[index], lines, height)
                line = _line_words(network, source, cfg)
                if source in self.spilled:
                    # What is recalled is read once.
                    once = {"mask": 1 << active[0] - 1} if layer.recall else {}
                    its_beat = beats[source] + reads.start * line * moved_beats(cfg, states=False)
                    move(Way.BRING, False, in_word, len(reads) * line, its_beat, picture=source == 0, **once)
                out_line = _line_words(network, index + 1, cfg)
                steps.append(Band(
                    layer=index, lines=lines, reads=reads, source=emitted[source],
                    input_word=in_word if source in self.spilled else self.places[source] + reads.start * line,
                    output_word=out_word if last + 1 in self.spilled
                    else self.places[index + 1] + lines.start * out_line * (not network.layers[index].partial),
                    state_word=state_word))
            emitted[last + 1] = len(steps)
            if last + 1 in self.spilled:
                move(Way.PUT, False, out_word, len(lines) * out_line,
                     beats[last + 1] + lines.start * out_line * moved_beats(cfg, states=False))
            if self._moves_states(members):
                move(Way.PUT, True, state_word, words, its_states, mask=mask ^ 1 << active[-1] - 1)


def _side_by_side(one: int, other: int, gaps: list[range]) -> tuple[int, int] | None:
    """Where so many words, and so many others, find a place in ``gaps``."""
    for first, gap in enumerate(gaps):
        if len(gap) >= one:
            left = [*gaps[:first], gap[one:], *gaps[first + 1:]]
            for second in left:
                if len(second) >= other:
                    return gap.start, second.start
    return None
