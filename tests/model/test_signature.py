import pytest
import torch

from model.config import LANES, SILENT, Numerics
from model.signature import INITIAL, sign_logits, sign_words
from model.tables import crc_step
from tests import scalar


def packed(word):
    """A spike word as a number, lane 0 lowest."""
    return sum(code << 5 * lane for lane, code in enumerate(word))


def random_words(images, words, seed=1):
    return torch.randint(32, (images, words, LANES), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("crc", [crc_step, scalar.crc])
def test_the_check_value_of_crc_32_mpeg_2_is_met(crc):
    assert crc(0xFFFFFFFF, int.from_bytes(b"123456789"), 72) == 0x0376E6E7


@pytest.mark.parametrize("count", [*range(1, 18), 31, 32, 33, 100, 257])
def test_words_are_signed_bit_by_bit_in_order(count):
    words = random_words(3, count)
    signed = sign_words(torch.full((3,), INITIAL), words)
    for image in range(3):
        register = 0xFFFFFFFF
        for word in words[image].tolist():
            register = scalar.crc(register, packed(word))
        assert int(signed[image]) == register


@pytest.mark.parametrize("accumulator_width", [24, 20])
@pytest.mark.parametrize("classes", [2, 3, 10, 33])
def test_logits_are_signed_as_twos_complement_words(classes, accumulator_width):
    numerics = Numerics(accumulator_width=accumulator_width)
    generator = torch.Generator().manual_seed(classes)
    logits = torch.randint(numerics.potential_min, numerics.potential_max + 1, (4, classes), dtype=torch.int32,
                           generator=generator)
    logits[0, :2] = torch.tensor([numerics.potential_min, -1])
    signed = sign_logits(torch.full((4,), INITIAL), logits, numerics)
    for image in range(4):
        register = 0xFFFFFFFF
        for logit in logits[image].tolist():
            register = scalar.crc(register, logit % 2 ** accumulator_width)
        assert int(signed[image]) == register


def test_signing_in_parts_is_signing_at_once():
    words = random_words(2, 21)
    parts = torch.full((2,), INITIAL)
    for part in words.split((1, 7, 13), dim=1):
        parts = sign_words(parts, part)
    assert torch.equal(parts, sign_words(torch.full((2,), INITIAL), words))


def test_every_bit_of_every_code_and_the_order_of_the_words_change_the_signature():
    words = random_words(1, 5)
    start = torch.tensor([INITIAL])
    signatures = {int(sign_words(start, ordered)) for ordered in (words, words.flip(1), words.flip(2))}
    for word in range(5):
        for lane in range(LANES):
            for bit in range(5):
                flipped = words.clone()
                flipped[0, word, lane] ^= 1 << bit
                signatures.add(int(sign_words(start, flipped)))
    assert len(signatures) == 3 + 5 * LANES * 5


def test_silence_is_signed_too():
    silence = torch.full((1, 1, LANES), SILENT, dtype=torch.uint8)
    assert int(sign_words(torch.tensor([INITIAL]), silence)) == scalar.crc(0xFFFFFFFF, 2 ** 80 - 1) != INITIAL
