import numpy as np
import pytest
import torch

from cosim.random_networks import seeded
from model.batch import laid_out
from model.compiler import compile
from model.config import ProcessorConfig, whole_bursts
from model.image import picture

FIELDS = {"columns": 16, "encoders": 8, "rows": 8192, "spike_words": 2048, "classes": 64}
CASE = seeded(3)
PICTURES = [CASE.codes[index].numpy() for index in (0, 1, 0)]


def image(width):
    return compile(CASE.network, ProcessorConfig(**FIELDS, memory_width=width))


@pytest.mark.parametrize("width", [64, 128, 256])
@pytest.mark.parametrize("first", [0, 1000])
def test_everything_lies_where_the_batch_says_and_begins_with_a_beat(width, first):
    batch = laid_out(image(width), PICTURES, first)
    assert batch.first == whole_bursts(-(-first * 8 // width)) * width // 8

    def words(address, count):
        at = address - batch.first
        return np.frombuffer(batch.content[at:at + 4 * count], "<u4")

    assert (words(batch.image_address, batch.image_words) == batch.image.load_words()).all()
    for number, codes in enumerate(PICTURES):
        expected = picture(codes, batch.image.descriptors[0]["input_words"]).words()
        got = words(batch.picture_address + number * batch.distance, batch.picture_words)
        assert len(got) == len(expected) and (got == expected).all()
    assert batch.answer_address == batch.first + len(batch.content)
    assert batch.end == batch.answer_address + 3 * batch.answer_bytes
    for place in (batch.first, batch.image_address, batch.picture_address, batch.distance, batch.answer_address,
                  batch.answer_bytes):
        assert place % (width // 8) == 0


def test_weights_that_are_streamed_lie_first_and_are_found_there():
    network = seeded(0, channels=(48, 64, 70), layers=range(3, 4)).network
    streamed = compile(network, ProcessorConfig(**FIELDS | {"rows": 1344}, memory_width=64))
    assert streamed.memory()
    batch = laid_out(streamed, [torch.zeros(network.shape, dtype=torch.uint8).numpy()], 4096)
    bases = [layer["weight_base"] for layer in batch.image.descriptors if layer["streamed"]]
    assert min(bases) == 4096 // 8 and batch.content.startswith(streamed.memory())
    assert batch.image_address == 4096 + len(streamed.memory())


@pytest.mark.parametrize("width, pictures, first, said", [
    (0, PICTURES, 0, "the image of {} was compiled for a processor without a memory"),
    (64, [], 0, "a batch has at least one picture"),
    (64, PICTURES, (1 << 32) - 64, "the batch ends at byte {}, addresses of the memory have 32 bits"),
])
def test_refuses_what_cannot_be_laid_out(width, pictures, first, said):
    with pytest.raises(ValueError) as refused:
        laid_out(image(width), pictures, first)
    before, after = said.split("{}") if "{}" in said else (said, said)
    assert str(refused.value).startswith(before) and str(refused.value).endswith(after)
