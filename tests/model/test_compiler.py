from dataclasses import replace

import pytest
import torch

from model.compiler import compile, prove_no_overflow
from model.config import NO_SYNAPSE, SIGN_BIT, Numerics, ProcessorConfig, Target
from model.network import Coding, Layer, Network, NetworkError, Reset
from model.processor import trace

CFG = ProcessorConfig(columns=16, rows=256, encoders=2, spike_words=64, state_words=64, parameter_words=16, layers=3,
                      classes=16, timesteps=4)


def layer(name="hidden", out=4, of=2, kernel=1, code=0, **settings):
    """All weights are ``code``: 0 is one."""
    return Layer(name=name, weight=torch.full((out, of, kernel, kernel), code, dtype=torch.uint8),
                 bias=torch.zeros(out, dtype=torch.int32), gain=torch.zeros(out, dtype=torch.int32), **settings)


def network(*layers, shape=(2, 1, 1), **settings):
    last = layers[-1] if layers else None
    of = last.out_channels if last else shape[0]
    return Network(name="net", shape=shape, input_coding=Coding(),
                   layers=(*layers, layer("readout", of=of, readout=True)), **settings)


def test_accepts_a_column_that_just_fits():
    # 2047 synapses of one, and a bias: 2047 * 4096 + 4095 = 2^23 - 1.
    wide = layer(of=2047)
    full = replace(wide, bias=torch.full((4,), 4095, dtype=torch.int32))
    prove_no_overflow(network(full, shape=(2047, 1, 1)))


def test_refuses_a_column_that_could_overflow():
    bias = torch.tensor([0, 0, 4096, 0], dtype=torch.int32)
    full = replace(layer(of=2047), bias=bias)
    with pytest.raises(NetworkError, match="layer hidden, column 2: the potential could reach 8388608, "
                                           "the 24-bit accumulator holds 8388607"):
        compile(network(full, shape=(2047, 1, 1)), CFG)


def test_signs_bound_each_other_but_where_spikes_are_subtracted():
    # 2047 synapses of one, and as many of minus one.
    weight = torch.tensor([0, SIGN_BIT] * 2047).to(torch.uint8).expand(4, 4094)[..., None, None]
    both = replace(layer(of=4094), weight=weight)
    prove_no_overflow(network(both, shape=(4094, 1, 1)))
    bias = torch.full((4,), 4096, dtype=torch.int32)
    for over in (replace(both, bias=bias), replace(both, bias=-bias)):
        with pytest.raises(NetworkError, match="could reach 8388608"):
            prove_no_overflow(network(over, shape=(4094, 1, 1)))
    with pytest.raises(NetworkError, match=f"could reach {4094 * 4096}"):
        prove_no_overflow(network(replace(both, reset=Reset.SUBTRACT), shape=(4094, 1, 1)))


def test_counts_every_timestep_whose_charge_is_carried():
    carried = layer(of=1024, reset=Reset.SUBTRACT)
    prove_no_overflow(network(carried, shape=(1024, 1, 1)))
    with pytest.raises(NetworkError, match="could reach 8388608"):
        prove_no_overflow(network(carried, shape=(1024, 1, 1), timesteps=2))
    # Half of it leaks: 1024 + 512 + ... in units of 2^12 stays below 2048, where four times 1024 does not.
    prove_no_overflow(network(replace(carried, leak_shift=1), shape=(1024, 1, 1), timesteps=4))
    with pytest.raises(NetworkError, match=f"could reach {1024 * (64 + 48 + 36 + 27) * 64}"):
        prove_no_overflow(network(replace(carried, leak_shift=2), shape=(1024, 1, 1), timesteps=4))
    # A layer that is active once carries nothing.
    prove_no_overflow(network(replace(carried, mask=0b10), shape=(1024, 1, 1), timesteps=2))


def test_proof_bounds_what_the_model_reaches():
    torch.manual_seed(1)
    weight = torch.randint(0, 32, (4, 30, 1, 1)).to(torch.uint8)
    hidden = replace(layer(), weight=weight)
    loud = torch.zeros(1, 30, 1, 1, dtype=torch.uint8)
    reached = trace(Network(name="net", shape=(30, 1, 1), input_coding=Coding(),
                            layers=(replace(hidden, readout=True),)), loud, CFG).logits
    magnitudes = [sum(4096 * 2 ** (-m / 2) for m in column if m != NO_SYNAPSE)
                  for column in (weight.flatten(1) & 15).tolist()]
    for value, bound in zip(reached.flatten().tolist(), magnitudes):
        assert 0 < abs(value) <= bound


@pytest.mark.parametrize("build, message", [
    (lambda: network(layer(), layer("b", of=4), layer("c", of=4)), "needs layers = 4, the processor has 3"),
    (lambda: network(layer(), timesteps=5), "needs timesteps = 5, the processor has 4"),
    (lambda: network(layer(of=300), shape=(300, 1, 1)), "needs rows = 304, the processor has 256"),
    (lambda: network(layer(out=40), layer("b", out=16, of=40)), "needs parameter_words = 30, the processor has 16"),
    (lambda: network(layer(pool=9), shape=(2, 9, 9)), "needs spike_words = 82, the processor has 64"),
    (lambda: network(layer(pool=6), shape=(2, 6, 6), timesteps=2), "needs state_words = 74, the processor has 64"),
])
def test_refuses_a_network_that_is_too_large(build, message):
    with pytest.raises(NetworkError, match=f"network net is too large: it {message}$"):
        compile(build(), CFG)


@pytest.mark.parametrize("words", [2, 8])
def test_refuses_charges_that_do_not_fit_their_store(words):
    # Four pixels of four channels, two of them to a word.
    net = Network(name="net", shape=(2, 2, 2), input_coding=Coding(), timesteps=2,
                  layers=(layer(recall=True), layer("readout", of=4, kernel=2, readout=True)))
    if words == 8:
        assert compile(net, replace(CFG, charge_words=words)).descriptors[0]["recall"]
        return
    with pytest.raises(NetworkError, match=f"needs charge_words = 8, the processor has {words}"):
        compile(net, replace(CFG, charge_words=words))


def test_refuses_more_classes_than_the_exit_unit_holds():
    wide = Network(name="net", shape=(2, 1, 1), input_coding=Coding(), layers=(layer("readout", out=17, readout=True),))
    with pytest.raises(NetworkError, match="needs classes = 17, the processor has 16"):
        compile(wide, CFG)


def test_refuses_other_numerics():
    with pytest.raises(NetworkError, match="network net uses Numerics.*the processor Numerics"):
        compile(replace(network(layer()), numerics=Numerics(fraction_width=10)), CFG)


def test_rows_are_taps_times_channels_and_columns_are_output_channels():
    weight = torch.arange(2 * 3 * 2 * 2).reshape(2, 3, 2, 2).remainder(31).to(torch.uint8)
    hidden = Layer(name="hidden", weight=weight, bias=torch.zeros(2, dtype=torch.int32),
                   gain=torch.zeros(2, dtype=torch.int32))
    image = compile(network(hidden, shape=(3, 2, 2)), CFG)
    rows, = (section.entries for section in image.sections if section.target == Target.TILES)
    checked = 0
    for ky in range(2):
        for kx in range(2):
            for channel in range(3):
                row = (ky * 2 + kx) * 3 + channel
                bits = sum(int(part) << 32 * index for index, part in enumerate(rows[row]))
                codes = [bits >> 5 * column & 31 for column in range(16)]
                assert codes == [int(weight[0, channel, ky, kx]), int(weight[1, channel, ky, kx])] + [NO_SYNAPSE] * 14
                checked += 1
    assert checked == 12


@pytest.mark.parametrize("span", [1, 2, 4, 8])
def test_maps_that_live_together_do_not_overlap_and_begin_with_a_row_of_the_store(span):
    hidden = layer(out=17, of=2), layer("b", out=40, of=17, mask=0b01, hold=True), layer("c", of=40)
    cfg = replace(CFG, layers=4, rows=4096, parameter_words=64, spike_words=128, span=span)
    net = Network(name="net", shape=(2, 3, 3), input_coding=Coding(), timesteps=2,
                  layers=(*hidden, layer("readout", of=4, kernel=3, readout=True)))
    descriptors = compile(net, replace(cfg, state_words=1024)).descriptors
    # Words from pixel to pixel.
    assert [d["input_words"] for d in descriptors] == [1, 2, 3 if span == 1 else 4, 1]
    assert [d["output_words"] for d in descriptors[:-1]] == [d["input_words"] for d in descriptors[1:]]
    assert all(d[base] % span == 0 for d in descriptors for base in ("input_base", "output_base"))
    places = [(0, 9)] + [(d["output_base"], d["output_base"] + d["output_pixels"] * d["output_words"])
                         for d in descriptors[:-1]]
    assert all(end <= cfg.spike_words for _, end in places)
    # The picture and the held map live with everything, a map lives with the one made from it.
    together = [(0, other) for other in (1, 2, 3)] + [(2, other) for other in (1, 3)]
    for one, other in together:
        assert places[one][1] <= places[other][0] or places[other][1] <= places[one][0], (one, other)
    assert [d["input_base"] for d in descriptors] == [place[0] for place in places]


@pytest.mark.parametrize("timesteps", [1, 2])
def test_the_map_of_a_shortcut_lives_until_it_is_added(timesteps):
    """Two residual blocks; the second one's shortcut reads the picture, too."""
    blocks = (layer("a"), layer("b", of=4), layer("short", of=4, source=1, partial=True), layer("c", of=4),
              layer("d", of=4), layer("long", source=0, partial=True), layer("shorter", of=4, source=4, partial=True),
              layer("e", of=4))
    net = Network(name="net", shape=(2, 3, 3), input_coding=Coding(), timesteps=timesteps,
                  layers=(*blocks, layer("readout", of=4, kernel=3, readout=True)))
    # Besides the picture, two maps live at a time: shortcuts are read before what they are added to is written.
    needed = 9 * 3
    cfg = replace(CFG, layers=9, rows=256, parameter_words=64, spike_words=needed, state_words=256)
    descriptors = compile(net, cfg).descriptors
    assert [d["source"] for d in descriptors] == [0, 1, 1, 2, 4, 0, 4, 5, 8]
    assert [(d["partial"], d["adds"]) for d in descriptors] == [
        (0, 0), (0, 0), (1, 0), (0, 1), (0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]
    base = [0] + [d["output_base"] for d in descriptors]
    assert [d["input_base"] for d in descriptors] == [base[d["source"]] for d in descriptors]
    for together in ((0, 1, 2), (0, 2, 4), (0, 4, 5), (0, 5, 8)):
        places = sorted(base[map] for map in together)
        assert all(after - before >= 9 for before, after in zip(places, [*places[1:], needed])), together
    with pytest.raises(NetworkError, match=f"needs spike_words = {needed}, the processor has {needed - 1}"):
        compile(net, replace(cfg, spike_words=needed - 1))


def test_refuses_maps_that_fit_but_not_in_one_piece():
    # b lies at the end, c behind a, which is not needed any more when e is made.
    blocks = (layer("a"), layer("b", of=4), layer("c", of=4), layer("d", of=4, source=1),
              layer("e", out=33, of=4, source=3), layer("x", of=4, source=2, partial=True),
              layer("f", of=33, source=5), layer("readout", of=4, kernel=3, readout=True))
    net = Network(name="net", shape=(2, 3, 3), input_coding=Coding(), layers=blocks)
    cfg = replace(CFG, layers=8, rows=512, parameter_words=64, spike_words=54, state_words=512)
    with pytest.raises(NetworkError, match="layer e needs 27 spike_words side by side, the maps alive with it leave "
                                           "none so long of 54"):
        compile(net, cfg)


def test_layers_of_a_sum_share_their_states_and_sums_that_end_with_the_timestep_share_a_place():
    def states(timesteps, masks=(3, 3, 3, 3)):
        blocks = (layer("a", mask=masks[0]), layer("x", of=2, source=0, partial=True, mask=masks[1]),
                  layer("b", of=4, mask=masks[1]), layer("y", of=2, out=3, source=0, partial=True, mask=masks[2]),
                  layer("z", of=4, out=3, source=1, partial=True, mask=masks[2]),
                  layer("c", of=4, out=3, mask=masks[2]), layer("readout", of=3, readout=True, mask=masks[3]))
        net = Network(name="net", shape=(2, 1, 1), input_coding=Coding(), timesteps=timesteps, layers=blocks)
        return [(d["stateful"], d["state_base"]) for d in compile(net, replace(CFG, layers=8, rows=512)).descriptors]

    # Beats of two neurons: two of a and of b, two of c, two of the readout.
    assert states(2) == [(1, 0), (1, 2), (1, 2), (1, 4), (1, 4), (1, 4), (1, 6)]
    assert states(1) == [(0, 0), (1, 0), (1, 0), (1, 0), (1, 0), (1, 0), (0, 0)]
    assert states(2, masks=(3, 1, 3, 3)) == [(1, 0), (1, 6), (1, 6), (1, 2), (1, 2), (1, 2), (1, 4)]


def test_the_overflow_proof_adds_up_a_sum():
    half = layer(of=1024), layer("other", of=1024, source=0)
    prove_no_overflow(network(half[0], shape=(1024, 1, 1)))
    with pytest.raises(NetworkError, match="layer hidden, column 0: the potential could reach 8388608"):
        prove_no_overflow(network(replace(half[0], partial=True), half[1], shape=(1024, 1, 1)))


def test_state_is_kept_only_where_charges_meet():
    once = network(layer(mask=0b10), timesteps=2)
    assert [d["stateful"] for d in compile(once, CFG).descriptors] == [0, 1]
