import pytest

from model.answer import ANSWER, ANSWER_WORDS, HARDWARE_COUNTERS, Answer, answer_beats
from rtl.registers import registers

ANSWERED = Answer(class_index=3, timestep=2, logits=[-1, 5, 1 << 22], signatures=[0xFFFF_FFFF],
                  counters={name: index for index, name in enumerate(HARDWARE_COUNTERS)})


def words(data):
    return [int.from_bytes(data[start:start + 4], "little") for start in range(0, len(data), 4)]


def test_lies_in_memory_word_by_word_up_to_a_whole_beat():
    told = [3 | 2 << 16, *range(8), 0xFFFF_FFFF, 5, 1 << 22, 0xFFFF_FFFF]
    for width, padding in ((64, 1), (128, 3), (256, 3)):
        assert words(ANSWERED.to_bytes(width)) == told + padding * [0]
        assert answer_beats(3, 1, width) * width == 32 * (len(told) + padding)


def test_is_read_as_it_was_written():
    assert Answer.from_bytes(ANSWERED.to_bytes(128) + b"more", 3, 1) == ANSWERED


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="^timestep has 8 bits in an answer, 256 does not fit$"):
        Answer(class_index=0, timestep=256, logits=[0, 0], signatures=[0], counters=ANSWERED.counters).to_bytes(64)


def test_begins_with_the_registers_of_a_run():
    known = {register.inst_name: register for register in registers()}
    assert ANSWER[0] == {field.inst_name: field.width for field in known["result"].fields()}
    first = known["cycles"].absolute_address
    assert [known[name].absolute_address for name in HARDWARE_COUNTERS] == [first + 4 * n for n in range(8)]
    assert ANSWER_WORDS == len(ANSWER) == 9
