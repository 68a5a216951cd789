import numpy as np
import pytest

from model.image import Section
from rtl.loader import Loader, LoadTarget
from tests.streams import idle, put, simulate

MEMORIES = [LoadTarget(0, 8, 32), LoadTarget(3, 5, 80), LoadTarget(16, 20, 64), LoadTarget(17, 20, 64)]
ONES = (1 << 96) - 1


def section(target, address, entries):
    return Section(target=target, address=address, entries=np.array(entries, np.uint32)).words().tolist()


def entry(granules):
    """Entry as it is written: what the section does not bring is ones."""
    value = ONES
    for index, granule in enumerate(granules):
        value ^= (granule ^ 0xFFFF_FFFF) << 32 * index
    return value


def loaded(words, *, gap=0):
    """Writes as (memory, address, entry), errors as the index of their word, and whether a section is open then."""
    dut = Loader(MEMORIES)
    writes, errors, loading = [], [], []

    async def drive(ctx):
        for word in words:
            await idle(ctx, gap)
            await put(ctx, dut.i, word)
        await idle(ctx, 3)
        loading.append(ctx.get(dut.loading))

    async def watch(ctx):
        taken = 0
        async for *_, valid, ready, error, head, enables, address, data in ctx.tick().sample(
                dut.i.valid, dut.i.ready, dut.error, dut.head, dut.enables, dut.address, dut.data):
            assert ready
            if error:
                # Of the word taken in the cycle before, the third of its section.
                assert head == words[taken - 3]
                errors.append(taken - 1)
            taken += valid
            if enables:
                assert enables.bit_count() == 1
                writes.append((enables.bit_length() - 1, address, data))

    simulate(dut, drive, processes=[watch])
    return writes, errors, loading[0]


@pytest.mark.parametrize("gap", [0, 1, 3])
def test_sections_fill_their_memories(gap):
    fill = np.random.default_rng(1)
    words, expected = [], []
    for target, address, count, granules in (
            (0, 0, 8, 1), (3, 1, 4, 3), (16, 0, 20, 2), (17, 19, 1, 2), (3, 4, 1, 1), (0, 7, 1, 1)):
        entries = fill.integers(1 << 32, size=(count, granules), dtype=np.uint32)
        memory = [memory.target for memory in MEMORIES].index(target)
        words += section(target, address, entries)
        expected += [(memory, address + n, entry(granules)) for n, granules in enumerate(entries.tolist())]
    assert len(expected) == 35
    assert loaded(words, gap=gap) == (expected, [], 0)


def test_granules_that_are_not_brought_are_ones():
    assert loaded(section(3, 0, [[1, 2], [3, 4]]) + section(3, 2, [[5]]))[0] == [
        (1, 0, ONES - (0xFFFF_FFFF << 32) - 0xFFFF_FFFF + (2 << 32) + 1),
        (1, 1, ONES - (0xFFFF_FFFF << 32) - 0xFFFF_FFFF + (4 << 32) + 3),
        (1, 2, ONES - 0xFFFF_FFFF + 5)]


def test_a_section_without_entries_writes_nothing():
    assert loaded([0 | 1 << 8, 3, 0] + section(0, 3, [[7]])) == ([(0, 3, entry([7]))], [], 0)


@pytest.mark.parametrize("words", [1, 2, 3, 4])
def test_an_open_section_is_being_loaded(words):
    assert loaded(section(0, 0, [[1], [2]])[:words])[2] == 1


@pytest.mark.parametrize("head, why", [
    ([1 | 1 << 8, 0, 1], "a target that does not exist"),
    ([18 | 1 << 8, 0, 1], "a tile that does not exist"),
    ([0, 0, 1], "no granules"),
    ([0 | 2 << 8, 0, 1], "more granules than an entry has"),
    ([16 | 3 << 8, 0, 1], "more granules than an entry of this memory has"),
    ([0 | 1 << 8 | 1 << 16, 0, 1], "bits that must be zero"),
    ([0 | 1 << 8 | 1 << 31, 0, 1], "bits that must be zero"),
    ([0 | 1 << 8, 0, 9], "more entries than the memory has"),
    ([0 | 1 << 8, 8, 1], "an address beyond the memory"),
    ([0 | 1 << 8, 7, 2], "an end beyond the memory"),
    ([0 | 1 << 8, 0xFFFF_FFFF, 2], "an end that wraps"),
    ([0 | 1 << 8, 2, 0xFFFF_FFFF], "a count that wraps")])
def test_an_illegal_section_is_an_error_once_and_everything_after_is_swallowed(head, why):
    good = section(0, 2, [[5]])
    writes, errors, loading = loaded(good + head + [1, 2, 3] + good + head)
    assert writes == [(0, 2, entry([5]))]
    assert errors == [len(good) + 2], why
    assert loading == 1
