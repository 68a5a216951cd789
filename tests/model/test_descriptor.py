import random

import pytest

from model.descriptor import DESCRIPTOR, DESCRIPTOR_WORDS, pack, unpack

WIDTHS = {name: width for fields in DESCRIPTOR for name, width in fields.items()}
ZERO = dict.fromkeys(WIDTHS, 0)


def test_what_is_packed_is_unpacked():
    generator = random.Random(1)
    for _ in range(100):
        values = {name: generator.randrange(1 << width) for name, width in WIDTHS.items()}
        words = pack(values)
        assert len(words) == DESCRIPTOR_WORDS == 16
        assert all(0 <= word < 1 << 32 for word in words)
        assert unpack(words) == values


def test_every_field_has_bits_of_its_own():
    used = [0] * DESCRIPTOR_WORDS
    for name, width in WIDTHS.items():
        words = pack(ZERO | {name: (1 << width) - 1})
        word, = (index for index, word in enumerate(words) if word)
        assert words[word].bit_count() == width
        assert not used[word] & words[word], f"{name} overlaps another field"
        used[word] |= words[word]
    assert sum(word.bit_count() for word in used) == sum(WIDTHS.values())


def test_fields_lie_from_bit_0_upwards():
    assert pack(ZERO | {"readout": 1, "stateful": 1, "reset": 2, "hold": 1})[0] == 0b1011 | 1 << 19
    assert pack(ZERO | {"input_height": 3, "input_width": 5})[1] == 3 | 5 << 10
    assert pack(ZERO | {"mask": 0xDEADBEEF})[13] == 0xDEADBEEF


@pytest.mark.parametrize("name", WIDTHS)
def test_refuses_a_value_that_does_not_fit(name):
    width = WIDTHS[name]
    for value in (-1, 1 << width):
        with pytest.raises(ValueError, match=f"^{name} has {width} bits in a layer descriptor, {value} does not fit$"):
            pack(ZERO | {name: value})


def test_refuses_too_few_words():
    with pytest.raises(ValueError):
        unpack([0] * (DESCRIPTOR_WORDS - 1))
