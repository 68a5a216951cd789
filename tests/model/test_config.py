import json
import re

import pytest

from model.config import FAMILY, PRESETS, Numerics, ProcessorConfig, preset, scaled


def test_a_potential_is_a_twos_complement_number():
    assert (Numerics().potential_min, Numerics().potential_max) == (-(1 << 23), (1 << 23) - 1)
    narrow = Numerics(fraction_width=6, accumulator_width=8)
    assert (narrow.potential_min, narrow.potential_max) == (-128, 127)


@pytest.mark.parametrize("columns, tiles, encoders, group_columns, group_words, group_beats, word_beats", [
    (16, 1, 2, 16, 1, 8, 8), (32, 2, 4, 64, 4, 16, 4), (48, 3, 16, 144, 9, 9, 1), (512, 64, 1, 32768, 2048, 32768, 16)])
def test_a_column_group_is_as_wide_as_all_tiles(columns, tiles, encoders, group_columns, group_words, group_beats,
                                                word_beats):
    cfg = ProcessorConfig(columns=columns, tiles=tiles, encoders=encoders)
    assert (cfg.group_columns, cfg.group_words, cfg.group_beats, cfg.word_beats) == (
        group_columns, group_words, group_beats, word_beats)


@pytest.mark.parametrize("span, words", [
    # Of pixels of 1, 2, 3, 4, 5, 8 and 9 words.
    (1, (1, 2, 3, 4, 5, 8, 9)), (2, (1, 2, 4, 4, 6, 8, 10)), (4, (1, 2, 4, 4, 8, 8, 12)), (8, (1, 2, 4, 4, 8, 8, 16))])
def test_a_pixel_takes_as_many_words_as_keep_its_fetches_inside_rows_of_the_store(span, words):
    cfg = ProcessorConfig(span=span)
    assert cfg.span_lanes == 16 * span
    counts = (1, 2, 3, 4, 5, 8, 9)
    assert tuple(cfg.pixel_words(16 * count) for count in counts) == words
    assert tuple(cfg.pixel_words(16 * count - 15) for count in counts) == words
    for count in counts:
        stride = cfg.pixel_words(16 * count)
        for pixel in range(20):
            fetches = [range(pixel * stride + first, pixel * stride + min(first + span, count))
                       for first in range(0, count, span)]
            assert all(fetch[0] // span == fetch[-1] // span for fetch in fetches)


def test_presets_are_found_by_name():
    assert {"tiny", "default"} <= set(PRESETS)
    for name, cfg in PRESETS.items():
        assert preset(name) is cfg


def test_a_configuration_is_plain_json():
    for cfg in PRESETS.values():
        values = json.loads(json.dumps(cfg.as_dict()))
        assert ProcessorConfig.from_dict(values) == cfg


@pytest.mark.parametrize("name, low, high", [
    ("tiles", 1, 64), ("rows", 2, 1 << 20), ("spike_words", 2, 1 << 20), ("state_words", 2, 1 << 20),
    ("parameter_words", 2, 1 << 16), ("layers", 2, 255), ("classes", 2, 1024), ("timesteps", 2, 32)])
def test_refuses_sizes_outside_their_limits(name, low, high):
    for value in (low, high):
        assert getattr(ProcessorConfig(**{name: value}), name) == value
    for value in (low - 1, high + 1):
        with pytest.raises(ValueError, match=f"^{name} must be between {low} and {high}, not {value}$"):
            ProcessorConfig(**{name: value})


@pytest.mark.parametrize("columns", [-16, 0, 8, 17, 528])
def test_refuses_columns_that_do_not_fill_words(columns):
    with pytest.raises(ValueError, match=f"^columns must be a multiple of 16 between 16 and 512, not {columns}$"):
        ProcessorConfig(columns=columns)


@pytest.mark.parametrize("encoders", [0, 3, 32])
def test_refuses_encoders_that_do_not_divide_a_word(encoders):
    with pytest.raises(ValueError, match=f"^encoders must be 1, 2, 4, 8 or 16, not {encoders}$"):
        ProcessorConfig(encoders=encoders)


@pytest.mark.parametrize("tiles, walkers", [(6, 3), (6, 4), (2, 0), (2, 4), (64, 3)])
def test_refuses_walkers_that_cannot_share_the_tiles(tiles, walkers):
    sentence = re.escape(f"walkers must be a power of two that divides tiles ({tiles}), not {walkers}")
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        ProcessorConfig(tiles=tiles, walkers=walkers)


@pytest.mark.parametrize("span", [0, 3, 16])
def test_refuses_a_span_that_is_no_power_of_two_up_to_eight(span):
    with pytest.raises(ValueError, match=f"^span must be 1, 2, 4 or 8, not {span}$"):
        ProcessorConfig(span=span)


@pytest.mark.parametrize("span, depth", [(2, 511), (4, 510), (8, 508)])
def test_refuses_a_spike_store_with_part_of_a_row(span, depth):
    assert ProcessorConfig(span=span, spike_words=512).spike_words == 512
    with pytest.raises(ValueError, match=re.escape(f"spike_words must be a multiple of span ({span}), not {depth}")):
        ProcessorConfig(span=span, spike_words=depth)


@pytest.mark.parametrize("span", [1, 2, 4, 8])
def test_refuses_a_spike_store_of_a_single_row(span):
    assert ProcessorConfig(span=span, spike_words=2 * span).spike_words == 2 * span
    with pytest.raises(ValueError, match=f"^spike_words must be between {2 * span} and 1048576, not {span}$"):
        ProcessorConfig(span=span, spike_words=span)


def test_refuses_as_many_encoders_as_columns():
    with pytest.raises(ValueError, match=re.escape("encoders must be fewer than columns (16), not 16")):
        ProcessorConfig(columns=16, encoders=16)


@pytest.mark.parametrize("width", [5, 15])
def test_refuses_too_few_and_too_many_fraction_bits(width):
    with pytest.raises(ValueError, match=f"^fraction_width must be between 6 and 14, not {width}$"):
        Numerics(fraction_width=width)


@pytest.mark.parametrize("width", [13, 25])
def test_refuses_an_accumulator_that_holds_no_synapse_or_is_wider_than_float32_is_exact(width):
    with pytest.raises(ValueError, match=re.escape("accumulator_width must be between fraction_width + 2 (14) and 24, "
                                                   f"where float32 is exact, not {width}")):
        Numerics(accumulator_width=width)


def test_refuses_a_preset_that_does_not_exist():
    with pytest.raises(ValueError, match="^there is no configuration called 'huge'; there are tiny, default"):
        preset("huge")


def test_the_family_grows_by_tiles_of_32_columns_and_an_encoder_for_every_8():
    assert [(cfg.columns, cfg.tiles, cfg.encoders) for cfg in map(scaled, FAMILY)] == [
        (16, 1, 2), (32, 1, 4), (32, 2, 8), (32, 4, 16)]
    assert [scaled(columns).group_columns for columns in FAMILY] == list(FAMILY)
    with pytest.raises(ValueError, match="^columns must be one of 16, 32, 64, 128, not 48$"):
        scaled(48)
