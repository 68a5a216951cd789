"""Faults planted in the gateware by hand: ``python -m tests.mutants`` shows that each makes a test fail.

A mutant is one text replaced by another in a copy of the tree. It is killed when a test that passes without it
fails. With names as arguments, only those mutants are run; the exit code is 1 if one survives.
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

__all__ = ["ROOT", "Mutant", "MUTANTS"]

ROOT = Path(__file__).parents[1]
COPIED = ("rtl", "model", "tests", "pyproject.toml")


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Parameters
    ----------
    name : str
    file : str
        Under ``rtl``.
    source, replacement : str
        ``source`` occurs exactly once in the file.
    test : str
        The test under ``tests/rtl`` that must fail, as ``file::name``.
    """

    name: str
    file: str
    source: str
    replacement: str
    test: str

    def applied(self, text: str) -> str:
        """``text`` of the file with the fault in it."""
        return text.replace(self.source, self.replacement)

    @property
    def node(self) -> str:
        """The test, as pytest names it."""
        return f"tests/rtl/{self.test}"


MUTANTS = (
    Mutant("buffer takes no payload while it stalls", "buffer.py",
           "holds.eq(self.o.valid & ~self.o.ready)", "holds.eq(0)",
           "test_buffer.py::test_passes_on_everything_in_order"),
    Mutant("buffer takes another payload while it holds one", "buffer.py",
           "self.i.ready.eq(~holds)", "self.i.ready.eq(1)",
           "test_buffer.py::test_passes_on_everything_in_order"),
    Mutant("picker skips the last lane", "picker.py",
           "enumerate(found):", "enumerate(found[:-1]):",
           "test_picker.py::test_one_spike_is_found_in_any_lane"),
    Mutant("picker: an empty fetch completes no pixel", "picker.py",
           "fetch.last & ~lowest.several", "fetch.last & ~lowest.several & lowest.any",
           "test_picker.py::test_an_empty_fetch_is_one_beat_that_can_complete_a_pixel"),
    Mutant("picker ignores the grain of the slots", "picker.py",
           "lowest.code << self.grain_shift", "lowest.code",
           "test_picker.py::test_matches_model"),

    Mutant("tile truncates after the sign", "tile.py",
           "Mux(negative[column], ~magnitude, magnitude)",
           "Mux(negative[column], (-synapse_magnitude(m, levels[column][:2], cfg.numerics) >> levels[column][2:]) - 1,"
           " magnitude)",
           "test_tile.py::test_truncates_before_the_sign"),
    Mutant("tile keeps the charges of the pixel before", "tile.py",
           "potentials.eq(0),", "",
           "test_tile.py::test_a_pixel_without_spikes_has_no_charge_left_from_the_one_before"),
    Mutant("tile opens a row in an empty beat", "tile.py",
           "read_valid & read.spike & (exponent", "read_valid & (exponent",
           "test_tile.py::test_an_empty_beat_opens_no_row"),
    Mutant("tile adds what is no synapse", "tile.py",
           "read.spike & (exponent != NO_SYNAPSE)", "read.spike",
           "test_tile.py::test_no_synapse_adds_nothing_whatever_its_sign_and_grain"),
    Mutant("tile overwrites charges that wait", "tile.py",
           "step.eq(~(complete & self.o.valid & ~self.o.ready))", "step.eq(1)",
           "test_tile.py::test_the_next_pixel_integrates_while_the_charges_wait_and_stalls_when_it_is_complete_too"),
    Mutant("logarithm shifts by the low bits of a far octave", "logarithm.py",
           "Mux(octave[shift_width:].any(), 0, mantissa >> octave[:shift_width])", "mantissa >> octave[:shift_width]",
           "test_tile.py::test_adds_every_weight_code_at_every_level"),

    Mutant("walker forgets the padding after the first line", "walker.py",
           "window_x - layer.line_back", "window_x + layer.padding - layer.line_back",
           "test_walker.py::test_walks_the_loop_nest"),
    Mutant("walker counts taps from the first one inside the map", "walker.py",
           "tap.eq(ky", "tap.eq((ky - Mux(above, -pixel.y, 0))",
           "test_walker.py::test_the_rows_of_a_pixel_hold_what_the_model_reads"),
    Mutant("walker reads a silent source", "walker.py",
           "nothing.eq(self.silent | beside)", "nothing.eq(beside)",
           "test_walker.py::test_a_silent_source_is_one_fetch_of_silence_a_pixel_and_is_not_read"),
    Mutant("walker stays in the rows of the first column group", "walker.py",
           "group_row.eq(group_row + layer.group_rows)", "group_row.eq(group_row)",
           "test_walker.py::test_walks_the_loop_nest"),
    Mutant("walker takes the lanes of the pixel before", "walker.py",
           "addressed_reads, filled << first, 0", "addressed_reads, filled << first | (1 << first) - 1, 0",
           "test_walker.py::test_fetches_a_pixel_in_as_few_rows_as_hold_it_and_nothing_of_its_neighbours"),
    Mutant("walker takes the lanes of the pixel behind", "walker.py",
           "channels > word * LANES for word", "channels > 0 for word",
           "test_walker.py::test_fetches_a_pixel_in_as_few_rows_as_hold_it_and_nothing_of_its_neighbours"),
    Mutant("walker gives lane 0 the row of the pixel's first channel", "walker.py",
           "read.row.eq(row - (first << ceil_log2(LANES)))", "read.row.eq(row)",
           "test_walker.py::test_the_rows_of_a_pixel_hold_what_the_model_reads"),
    Mutant("walker counts rows of the store as words", "walker.py",
           "(chunk << exact_log2(cfg.span))", "chunk",
           "test_walker.py::test_fetches_a_pixel_in_as_few_rows_as_hold_it_and_nothing_of_its_neighbours"),
    Mutant("walker fetches once more after a full row", "walker.py",
           "chunk_channels <= cfg.span_lanes", "chunk_channels < cfg.span_lanes",
           "test_walker.py::test_fetches_a_pixel_in_as_few_rows_as_hold_it_and_nothing_of_its_neighbours"),

    Mutant("walker begins where the first one does", "walker.py",
           "(layer.window_hop >> shift) * self.number - layer.padding", "-layer.padding",
           "test_walker.py::test_walkers_take_turns_of_the_pooling_windows"),
    Mutant("walker walks its last window twice", "walker.py",
           "window_end.eq(layer.output_pixels - walkers)", "window_end.eq(layer.output_pixels)",
           "test_walker.py::test_walkers_take_turns_of_the_pooling_windows"),

    Mutant("drain: one neuron too many in the last beat", "drain.py",
           "beat_channels > lane", "beat_channels >= lane",
           "test_drain.py::test_beats_follow_the_loop_nest"),
    Mutant("drain takes the parameters of another column group", "drain.py",
           "group_parameters.eq(group_parameters + beats)", "group_parameters.eq(group_parameters + 1)",
           "test_drain.py::test_beats_follow_the_loop_nest"),
    Mutant("drain reads old states in the first timestep", "drain.py",
           "layer.stateful & (layer.adds | ~self.fresh)", "layer.stateful",
           "test_drain.py::test_in_the_first_timestep_states_are_zero_and_biases_those_of_the_start"),
    Mutant("drain forgets what the layer before left", "drain.py",
           "layer.stateful & (layer.adds | ~self.fresh)", "layer.stateful & ~self.fresh",
           "test_drain.py::test_what_the_layer_before_left_is_there_in_every_timestep"),
    Mutant("drain starts without the potentials of the start", "drain.py",
           "Mux(self.fresh, layer.start_base, layer.parameter_base)", "layer.parameter_base",
           "test_drain.py::test_in_the_first_timestep_states_are_zero_and_biases_those_of_the_start"),
    Mutant("drain counts states by the pixel", "drain.py",
           "state_address.eq(state_address + 1)", "state_address.eq(state_address + beat_last)",
           "test_drain.py::test_beats_follow_the_loop_nest"),
    Mutant("drain waits for a walker that has no window left", "drain.py",
           "walker_last = map_last | (walker", "walker_last = (walker",
           "test_drain.py::test_walkers_take_turns"),
    Mutant("drain takes the charges of the first walker", "drain.py",
           "index = walker_index + beat", "index = beat",
           "test_drain.py::test_walkers_take_turns"),
    Mutant("drain recalls for ever", "drain.py",
           "recalling.eq(recalling & ~group_last)", "recalling.eq(recalling)",
           "test_drain.py::test_recalls_every_charge_from_where_the_state_of_its_neuron_lies"),

    Mutant("fire is a slot late", "fire.py",
           "(1 << self.layer.output_shift) - 1", "(1 << self.layer.output_shift)",
           "test_fire.py::test_the_first_slot_fires_at_one_and_the_last_slot_ends_the_window"),
    Mutant("fire: above the threshold instead of at it", "fire.py",
           "normal < threshold for", "normal <= threshold for",
           "test_fire.py::test_fires_at_every_threshold_and_not_below"),
    Mutant("fire does not leak", "fire.py",
           "state - lost + drive", "state + drive",
           "test_fire.py::test_the_leak_floors"),
    Mutant("fire subtracts in the wrong scale", "fire.py",
           "price_level.eq(code_gain + (code << layer.output_shift))", "price_level.eq(code << layer.output_shift)",
           "test_fire.py::test_subtracts_in_the_scale_of_the_column"),
    Mutant("fire: a window with one slot too many", "fire.py",
           "room.eq((self.layer.window <<", "room.eq((self.layer.window + 1 <<",
           "test_fire.py::test_the_first_slot_fires_at_one_and_the_last_slot_ends_the_window"),
    Mutant("fire: lanes without a neuron spike", "fire.py",
           "place.lanes[lane] & ~layer.readout", "~layer.readout",
           "test_fire.py::test_lanes_without_a_neuron_are_silent"),
    Mutant("fire: a readout spikes", "fire.py",
           "place.lanes[lane] & ~layer.readout", "place.lanes[lane]",
           "test_fire.py::test_a_readout_never_fires_and_keeps_its_potential"),
    Mutant("fire does not round by half a quarter octave", "fire.py",
           "Mux(half, counts[1], counts[0])", "counts[0]",
           "test_fire.py::test_fires_at_every_threshold_and_not_below"),
    Mutant("fire keeps the potential from before the reset", "fire.py",
           "rest - Mux(lowers, price, 0)", "rest",
           "test_fire.py::test_a_spike_takes_off_its_own_threshold_or_everything_or_nothing"),
    Mutant("fire writes what a layer does not keep", "fire.py",
           "self.o.ready & layer.stateful", "self.o.ready",
           "test_fire.py::test_a_layer_that_keeps_nothing_writes_nothing"),
    Mutant("fire: potentials below zero spike", "fire.py",
           "~positive | (missed", "(missed",
           "test_fire.py::test_only_a_positive_potential_fires_however_low_the_threshold"),

    Mutant("pool keeps the latest spike", "pool.py",
           "self.i.p.codes[lane] < before[lane]", "self.i.p.codes[lane] > before[lane]",
           "test_pool.py::test_keeps_the_earliest_spike_wherever_it_stands"),
    Mutant("pool keeps the window before", "pool.py",
           "place.first | (self", "(self",
           "test_pool.py::test_a_window_without_spikes_is_silent_after_one_with"),
    Mutant("pool fills lanes from the word before", "pool.py",
           "packed.eq(Const(-1, len(Value.cast(packed))))", "packed.eq(filled)",
           "test_pool.py::test_lanes_that_no_beat_fills_are_silent_after_a_full_word"),

    Mutant("exit: the highest of equal classes", "exit.py",
           "self.i.p.value > largest", "self.i.p.value >= largest",
           "test_exit.py::test_the_best_class_is_the_lowest_of_equals"),
    Mutant("exit: an entropy equal to the threshold stops", "exit.py",
           "sure.eq(unsure < bound)", "sure.eq(unsure <= bound)",
           "test_exit.py::test_an_entropy_equal_to_the_threshold_does_not_stop"),
    Mutant("exit: a sum equal to the threshold stops", "exit.py",
           "sure.eq(total < self.threshold)", "sure.eq(total <= self.threshold)",
           "test_exit.py::test_a_sum_equal_to_the_threshold_does_not_stop"),
    Mutant("exit: a margin equal to the threshold stops", "exit.py",
           "sure.eq(margin > self.threshold)", "sure.eq(margin >= self.threshold)",
           "test_exit.py::test_a_margin_equal_to_the_threshold_does_not_stop"),
    Mutant("exit adds to the timestep before", "exit.py",
           "Cat(total, weighted).eq(0), margin", "total.eq(0), margin",
           "test_exit.py::test_nothing_is_left_of_the_timestep_before"),
    Mutant("exit: the best class is its own runner-up", "exit.py",
           "~at_best[4] & (distance < margin)", "(distance < margin)",
           "test_exit.py::test_equal_best_classes_have_no_margin"),
    Mutant("exit rounds distances down", "exit.py",
           "(octaves + 1) >> 1", "octaves >> 1",
           "test_exit.py::test_distances_are_rounded_to_nearest"),
    Mutant("exit weighs logits for a budget", "exit.py",
           "with m.If(self.rule == Rule.BUDGET):", "with m.If(0):",
           "test_exit.py::test_the_verdict_of_a_budget_follows_the_last_logit_by_a_cycle"),
    Mutant("exit weighs logits for an entropy only", "exit.py",
           "with m.If(self.rule == Rule.BUDGET):", "with m.If(self.rule != Rule.ENTROPY):",
           "test_exit.py::test_matches_model_on_both_sides_of_every_threshold"),

    Mutant("drain: the beats of a readout follow one another", "drain.py",
           "with m.If(layer.readout):", "with m.If(0):",
           "test_drain.py::test_beats_of_a_readout_are_as_many_cycles_apart_as_they_have_logits"),
    Mutant("readout gives the lowest lane of every beat", "readout.py",
           "potentials >> len(value)", "potentials",
           "test_readout.py::test_gives_each_neuron_once_and_marks_the_last"),
    Mutant("signature misses words", "signature.py",
           "write_port.en.eq(valid)", "write_port.en.eq(valid & ~share[0])",
           "test_signature.py::test_matches_model"),
    Mutant("signature goes on from the run before", "signature.py",
           "signed_layers.eq(0)", "signed_layers.eq(1)",
           "test_signature.py::test_a_clear_begins_all_signatures_anew"),

    Mutant("store writes beyond its end", "store.py",
           "self.write.enable & ~write_fault", "self.write.enable",
           "test_store.py::test_an_access_beyond_the_end_is_a_fault_and_such_a_write_changes_nothing"),
    Mutant("spike store writes the whole row", "spike_store.py",
           "write_port.en.eq(1 << self.write.address[:span_shift])", "write_port.en.eq(-1)",
           "test_spike_store.py::test_reads_the_row_of_a_word_and_holds_it_until_the_next_read"),
    Mutant("spike store reads the row of the word's number", "spike_store.py",
           "read_port.addr.eq(read.address >> span_shift)", "read_port.addr.eq(read.address)",
           "test_spike_store.py::test_reads_the_row_of_a_word_and_holds_it_until_the_next_read"),
    Mutant("spike store writes beyond its end", "spike_store.py",
           "self.write.enable & ~write_fault", "self.write.enable",
           "test_spike_store.py::test_an_access_beyond_the_end_is_a_fault_and_such_a_write_changes_nothing"),
    Mutant("descriptor store: the first word comes last", "descriptor_store.py",
           "self.write.enable << self.write.address[:word_width]",
           "self.write.enable << ~self.write.address[:word_width]",
           "test_descriptor_store.py::test_words_written_in_any_order_are_descriptors"),
    Mutant("descriptor store is always written", "descriptor_store.py",
           "self.write.enable << self.write", "1 << self.write",
           "test_descriptor_store.py::test_without_enable_nothing_is_written"),
    Mutant("loader looks only at the first address", "loader.py",
           "end.eq(address + word)", "end.eq(address + 1)",
           "test_loader.py::test_an_illegal_section_is_an_error_once_and_everything_after_is_swallowed"),
    Mutant("loader takes any number of granules", "loader.py",
           " | (head.granules > granules)", "",
           "test_loader.py::test_an_illegal_section_is_an_error_once_and_everything_after_is_swallowed"),

    Mutant("sequencer does not know silent maps", "sequencer.py",
           "self.silent.eq(silent_maps.bit_select(layer.source, 1))", "self.silent.eq(0)",
           "test_sequencer.py::test_runs_layers_inside_timesteps_with_their_masks"),
    Mutant("sequencer holds what should fall silent", "sequencer.py",
           "with m.If(~layer.hold):", "with m.If(layer.hold):",
           "test_sequencer.py::test_runs_layers_inside_timesteps_with_their_masks"),
    Mutant("sequencer: only timestep 1 is fresh", "sequencer.py",
           "~(self.next_layer.mask & next_before).any()", "next_before == 0",
           "test_sequencer.py::test_runs_layers_inside_timesteps_with_their_masks"),
    Mutant("sequencer never stops early", "sequencer.py",
           "with m.If(sure | timestep_last):", "with m.If(timestep_last):",
           "test_sequencer.py::test_stops_after_the_timestep_that_is_sure"),
    Mutant("sequencer runs a layer without a stride", "sequencer.py",
           '    "stride", "pool",', '    "pool",',
           "test_sequencer.py::test_an_illegal_layer_ends_a_run_that_has_begun"),
    Mutant("sequencer takes the descriptor of the layer that ended", "sequencer.py",
           "layer.eq(self.next_layer),", "layer.eq(layer),",
           "test_sequencer.py::test_runs_layers_inside_timesteps_with_their_masks"),
    Mutant("sequencer begins with the layer after the first", "sequencer.py",
           "self.done.eq(1)\n                    m.d.sync += self.next_index.eq(0)", "self.done.eq(1)",
           "test_sequencer.py::test_a_run_begins_with_the_first_layer_whatever_the_one_before_ended_with"),
    Mutant("sequencer checks the first descriptor again and again", "sequencer.py",
           "Mux(next_last, 0, self.next_index + 1)", "0",
           "test_sequencer.py::test_an_illegal_layer_ends_a_run_that_has_begun"),
    Mutant("sequencer is sure after a skipped readout", "sequencer.py",
           "advance(sure=0)", "advance(sure=1)",
           "test_sequencer.py::test_a_run_is_done_in_the_cycle_in_which_its_last_layer_is_skipped"),

    Mutant("core: the tiles in the wrong order", "core.py",
           "for tile in tiles)", "for tile in reversed(tiles))",
           "test_core.py::test_matches_model"),
    Mutant("core: walkers feed the tiles of others", "core.py",
           "feeds.eq(first << shift >> exact_log2(cfg.walkers))", "feeds.eq(first & (1 << shift) - 1)",
           "test_core.py::test_matches_model"),
    Mutant("core keeps no charges to recall", "core.py",
           "layer.recall & self.fresh)", "0)",
           "test_core.py::test_matches_model"),
    Mutant("core walks a layer that recalls", "core.py",
           "self.start & ~recall & (number", "self.start & (number",
           "test_core.py::test_matches_model"),
    Mutant("core pools what is left to the next layer", "core.py",
           "fire.o.valid & ~layer.readout & ~layer.partial", "fire.o.valid & ~layer.readout",
           "test_core.py::test_adds_what_layers_before_have_left"),
    Mutant("core counts neurons that do not fire yet", "core.py",
           "fired & ~layer.partial", "fired",
           "test_core.py::test_adds_what_layers_before_have_left"),
    Mutant("fire lets neurons fire that are still to be charged", "fire.py",
           "~layer.readout & ~layer.partial, slot", "~layer.readout, slot",
           "test_core.py::test_adds_what_layers_before_have_left"),
    Mutant("reader lets a burst cross sixteen beats", "reader.py",
           "room = BURST_BEATS - run.address[:exact_log2(BURST_BEATS)]", "room = C(BURST_BEATS)",
           "test_reader.py::test_bursts_end_where_sixteen_beats_end"),
    Mutant("reader waits for a run's data before it takes the next", "reader.py",
           "i.ready.eq(~self.discard & (~running | (issue & run_done)))",
           "i.ready.eq(~self.discard & ~running & ~bursts.r_rdy)",
           "test_reader.py::test_a_beat_comes_every_cycle_also_between_runs_and_behind_a_latency"),
    Mutant("reader passes on what is discarded", "reader.py",
           "beats.i.valid.eq(bus.rvalid & ~self.discard)", "beats.i.valid.eq(bus.rvalid)",
           "test_reader.py::test_an_error_names_its_burst_and_what_is_discarded_does_not_come"),
    Mutant("rows of a granule overtake those of the one before", "rows.py",
           "(~whole | (left <= 1))", "1",
           "test_rows.py::test_runs_of_granules_become_rows_of_every_tile"),
    Mutant("rows of a run all go to its first place", "rows.py",
           "destination.row.eq(here.row + rows)", "destination.row.eq(here.row)",
           "test_rows.py::test_runs_of_granules_become_rows_of_every_tile"),
    Mutant("prefetch asks for a third column group", "prefetch.py",
           "with m.If(held != HALVES):", "with m.If(1):",
           "test_prefetch.py::test_a_third_group_waits_until_the_first_is_released"),
    Mutant("prefetch forgets the word at the end of a tap", "prefetch.py",
           "with m.If(channels_left_here <= LANES):", "with m.If(channels_left_here < LANES):",
           "test_prefetch.py::test_asks_for_granules_of_channels_that_spiked_and_for_one_where_none_did"),
    Mutant("prefetch asks for nothing where no channel spiked", "prefetch.py",
           "found.eq(0), found_address.eq(base), found_row.eq(first_row),",
           "found.eq(0), found_address.eq(0), found_row.eq(first_row),",
           "test_prefetch.py::test_asks_for_granules_of_channels_that_spiked_and_for_one_where_none_did"),
    Mutant("walker does not wait for a column group", "walker.py",
           "self.o.valid.eq(read_valid & come)", "self.o.valid.eq(read_valid)",
           "test_walker.py::test_groups_from_the_memory_lie_in_two_places_and_are_waited_for"),
    Mutant("walker begins every layer in the first place", "walker.py",
           "m.d.sync += groups_walked.eq(self.groups_done)", "m.d.sync += groups_walked.eq(0)",
           "test_walker.py::test_groups_from_the_memory_lie_in_two_places_and_are_waited_for"),
    Mutant("drain notes channels where the group before has its own", "drain.py",
           "group_seen.eq(group_seen + words), seen.eq(group_seen + words)",
           "group_seen.eq(group_seen + words), seen.eq(group_seen)",
           "test_drain.py::test_says_where_the_channels_of_a_beat_are_kept_in_mind"),
    Mutant("drain takes the last line for one of many", "drain.py",
           "(window < last_line) | one_line", "1",
           "test_drain.py::test_says_where_the_channels_of_a_beat_are_kept_in_mind"),
    Mutant("drain counts the places of a line over all walkers", "drain.py",
           "m.d.sync += x.eq(first_x)", "m.d.sync += x.eq(next_x)",
           "test_drain.py::test_says_where_the_channels_of_a_beat_are_kept_in_mind"),
    Mutant("seen never forgets", "seen.py",
           "Mux(self.word.begins, 0, before.data[corner])", "before.data[corner]",
           "test_seen.py::test_knows_every_channel_that_spiked_in_every_corner_and_forgets_the_map_before"),
    Mutant("seen notes every spike in every corner", "seen.py",
           "Mux(self.word.corners[corner], spiked, 0)", "spiked",
           "test_seen.py::test_knows_every_channel_that_spiked_in_every_corner_and_forgets_the_map_before"),
    Mutant("prefetch looks at the wrong end of the map", "prefetch.py",
           "for line in (below, above) for column", "for line in (above, below) for column",
           "test_prefetch.py::test_asks_for_granules_of_channels_that_spiked_and_for_one_where_none_did"),
    Mutant("prefetch stays at the first line of taps", "prefetch.py",
           "m.d.sync += [kx.eq(0), ky.eq(ky + 1)]", "m.d.sync += kx.eq(0)",
           "test_prefetch.py::test_asks_for_granules_of_channels_that_spiked_and_for_one_where_none_did"),
    Mutant("lookahead names a layer by spikes before it runs", "lookahead.py",
           "(reached | ~layer.by_spikes)", "1",
           "test_lookahead.py::test_runs_ahead_of_the_sequencer_but_waits_for_layers_that_are_fetched_by_spikes"),
    Mutant("lookahead names a layer that recalls its charge", "lookahead.py",
           "~recalls & legal", "legal",
           "test_lookahead.py::test_names_the_layers_that_need_weights_in_the_order_of_the_run"),
    Mutant("supply counts the groups of the run before", "supply.py",
           "m.d.sync += self.groups_came.eq(0)", "pass",
           "test_supply.py::test_an_end_drops_what_is_still_to_come_and_the_next_run_begins_anew"),
    Mutant("supply is done before the last beat has come", "supply.py",
           "self.end | (self.busy & reader.busy)", "self.end",
           "test_supply.py::test_an_end_drops_what_is_still_to_come_and_the_next_run_begins_anew"),
    Mutant("supply forgets what it has asked for only in part", "supply.py",
           "prefetch = reset(Prefetch(cfg))", "prefetch = Prefetch(cfg)",
           "test_supply.py::test_an_end_drops_what_is_still_to_come_and_the_next_run_begins_anew"),
    Mutant("sequencer runs a group that the tiles cannot hold", "sequencer.py",
           "layer.streamed & ~legal_rows(layer, cfg)", "0",
           "test_sequencer.py::test_refuses_weights_that_cannot_come_from_the_memory"),
    Mutant("sequencer fetches the picture's weights by spikes", "sequencer.py",
           "((layer.source == 0) | (layer.input_channels", "((layer.input_channels",
           "test_sequencer.py::test_refuses_weights_that_cannot_come_from_the_memory"),
    Mutant("core begins every layer with the first column group", "core.py",
           "groups_done.eq(groups_done + 1)", "groups_done.eq(0)",
           "test_core.py::test_matches_model_while_its_weights_come_from_the_memory"),
    Mutant("supply does not wait for those that its reader is lent to", "supply.py",
           "reader.o.ready.eq(Mux(self.lent, self.lent_beats.ready, rows.i.ready))", "reader.o.ready.eq(1)",
           "test_supply.py::test_a_reader_that_is_lent_reads_what_it_is_asked_for_and_writes_no_row"),
    Mutant("words gives the rest of a beat, too", "words.py",
           "self.o.ready & (last | (lane", "self.o.ready & ((lane",
           "test_words.py::test_words_leave_in_order_and_what_is_beyond_the_last_is_dropped"),
    Mutant("writer lets a burst cross sixteen beats", "writer.py",
           "BURST_BEATS - run.address[:exact_log2(BURST_BEATS)]", "BURST_BEATS",
           "test_writer.py::test_bursts_end_where_sixteen_beats_end"),
    Mutant("writer writes what was given up", "writer.py",
           "Mux(given_up, 0, ~0)", "~0",
           "test_writer.py::test_what_is_given_up_ends_legally_and_changes_nothing_more"),
    Mutant("writer goes on after an error", "writer.py",
           "given_up | (bus.bresp != Response.OKAY) | run_done", "given_up | run_done",
           "test_writer.py::test_an_error_ends_its_run_and_names_the_burst"),
    Mutant("mover writes a word to where the one before went", "mover.py",
           "with m.If(came):", "with m.If(0):",
           "test_mover.py::test_words_are_brought_where_they_belong_and_nowhere_else"),
    Mutant("mover takes any word of a row", "mover.py",
           "lane.eq(address[:exact_log2(cfg.span)])", "lane.eq(0)",
           "test_mover.py::test_words_are_put_in_order_and_stay_in_the_store"),
    Mutant("lookahead goes on while words are brought", "lookahead.py",
           "going & ~waits &", "going &",
           "test_lookahead.py::test_nothing_behind_words_that_are_brought_is_named_before_they_are_there"),
    Mutant("walker pads every band above", "walker.py",
           "window_y.eq(-layer.padding_above), y.eq(-layer.padding_above),",
           "window_y.eq(-layer.padding), y.eq(-layer.padding),",
           "test_walker.py::test_walks_the_loop_nest"),
    Mutant("answer goes on counting from part to part", "answer.py",
           "[part.eq(part + 1), self.index.eq(0)]", "part.eq(part + 1)",
           "test_answer.py::test_matches_model"),
    Mutant("steps lead beyond the address space", "steps.py",
           "read_fits = source + reads.beats <= 1 << len(reads.address)", "read_fits = C(1)",
           "test_steps.py::test_reads_and_writes_up_to_the_highest_address_and_not_beyond"),
    Mutant("steps take half a section for a picture", "steps.py",
           "with m.If(self.loading):", "with m.If(0):",
           "test_steps.py::test_a_section_that_is_left_incomplete_is_an_error"),
    Mutant("steps wait for the memory for ever", "steps.py",
           "(waited >= self.limit)", "0",
           "test_steps.py::test_a_transfer_that_does_not_end_is_an_error"),
    Mutant("steps give every answer the same place", "steps.py",
           "answers.eq(answers + writes.beats)", "answers.eq(answers)",
           "test_steps.py::test_every_picture_is_loaded_run_and_answered_in_turn"),
    Mutant("batch keeps an answer that is not wanted any more", "batch.py",
           "writer.discard.eq(self.end)", "writer.discard.eq(0)",
           "test_batch.py::test_what_is_ended_leaves_nothing_behind"),
    Mutant("registers that need a memory exist without one", "registers.py",
           'self._memory or not field.get_property("needs_memory")', "True",
           "test_registers.py::test_without_a_memory_registers_that_need_one_do_not_exist"),

    Mutant("wishbone bridge offers again what has been taken", "wishbone.py",
           "valid.eq(asked & ~taken)", "valid.eq(asked)",
           "test_wishbone.py::test_every_access_reaches_the_slave_once_and_is_answered_with_what_it_says"),
    Mutant("wishbone bridge answers an error like any other access", "wishbone.py",
           "bus.ack.eq(answered & okay)", "bus.ack.eq(answered)",
           "test_wishbone.py::test_every_access_reaches_the_slave_once_and_is_answered_with_what_it_says"),
    Mutant("uart takes a byte without a stop bit", "uart.py",
           "(left == 1) & rx &", "(left == 1) &",
           "test_uart.py::test_what_is_no_byte_is_dropped_and_so_is_a_byte_that_finds_another_one"),
    Mutant("uart looks at the edges of bits", "uart.py",
           "self._bit_cycles // 2 - 1", "0",
           "test_uart.py::test_a_receiver_forgives_a_clock_that_is_off_by_three_percent"),
    Mutant("uart bridge stays at the first address", "uart_bridge.py",
           "address.eq(address + 1)", "address.eq(address)",
           "test_uart_bridge.py::test_words_that_are_written_are_read_back_and_every_access_is_made_once"),
    Mutant("uart bridge waits for the rest of a command for ever", "uart_bridge.py",
           "forgotten.eq(paused == self._patience)", "forgotten.eq(0)",
           "test_uart_bridge.py::test_an_incomplete_command_is_forgotten_after_a_pause_and_not_before"),
)


def run(tree: Path, *nodes: str) -> int:
    """What pytest says about ``nodes`` in ``tree``, as its exit code."""
    # A long traceback of a failing simulation can break pytest itself on Python 3.11.
    return subprocess.run([sys.executable, "-m", "pytest", "-q", "-x", "--tb=native", "-p", "no:cacheprovider", *nodes],
                          cwd=tree, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


def is_killed(mutant: Mutant, tree: Path) -> bool:
    """Whether the mutant's test fails with the fault in ``tree``, which is left without it."""
    file = tree / "rtl" / mutant.file
    text = file.read_text()
    file.write_text(mutant.applied(text))
    code = run(tree, mutant.node)
    file.write_text(text)
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"{mutant.name}: pytest could not run {mutant.node}, it ended with {code}")
    return code == pytest.ExitCode.TESTS_FAILED


def main(names: list[str]) -> int:
    """Run the mutants of these names, or all; the exit code."""
    mutants = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, tree / name)
        if run(tree, *sorted({mutant.node for mutant in mutants})) != pytest.ExitCode.OK:
            print("these tests do not pass without a mutant either")
            return 1
        killed = 0
        for mutant in mutants:
            verdict = is_killed(mutant, tree)
            killed += verdict
            print(f"{'killed' if verdict else 'SURVIVED':9}{mutant.name}", flush=True)
    print(f"{killed} of {len(mutants)} killed")
    return 0 if mutants and killed == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
