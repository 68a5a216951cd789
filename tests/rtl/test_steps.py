import pytest

from model.answer import answer_beats
from model.config import ProcessorConfig
from rtl.registers import registers
from rtl.sequencer import ErrorCode
from rtl.steps import SETTLING, Steps
from tests.streams import holds, idle, simulate

CFG = ProcessorConfig(memory_width=128)
BEAT = CFG.beat_bytes
# Nine words fill three beats.
ORDER = {"source_address": 0x400, "source_words": 9, "batch_pictures": 3, "batch_distance": 0x80,
         "batch_answers": 0x1_0000}
CLASSES, LAYERS, SECTION, LIMIT = 10, 3, 0xABCD, 1000
ANSWER_BEATS = answer_beats(CLASSES, LAYERS, CFG.memory_width)
HIGHEST = (1 << 32) - BEAT


async def pulse(ctx, signal):
    ctx.set(signal, 1)
    await ctx.tick()
    ctx.set(signal, 0)


def done(*, command="batch", wait=0, run=5, loading=0, stuck=None, **changed):
    """What is done for a command where every transfer takes ``wait`` cycles more than the fewest, and how it fails.

    The last words of a load leave a section incomplete if ``loading``; what is ``stuck`` never comes.
    """
    seen, failures, dut = [], [], Steps(CFG)

    async def comes(ctx, name, cycles):
        while name == stuck:
            await ctx.tick()
        await idle(ctx, cycles)

    # An ``until`` that is still waited for when the simulation ends upsets Python 3.11.
    async def when(ctx, signal, *values):
        while True:
            _, _, high, *sampled = await ctx.tick().sample(signal, *values)
            if high:
                return sampled

    async def accepted(ctx, stream):
        ctx.set(stream.ready, 1)
        payload, = await when(ctx, stream.valid, stream.payload)
        ctx.set(stream.ready, 0)
        return payload

    async def world(ctx):
        while True:
            await comes(ctx, "reads", wait)
            asked = await accepted(ctx, dut.reads)
            seen.append(("read", asked["address"], asked["beats"]))
            await comes(ctx, "loaded", wait)
            ctx.set(dut.loading, loading)
            await pulse(ctx, dut.loaded)
            if command == "load":
                continue
            await when(ctx, dut.start)
            seen.append("run")
            await comes(ctx, "answered", run)
            await pulse(ctx, dut.answered)
            await comes(ctx, "writes", wait)
            asked = await accepted(ctx, dut.writes)
            seen.append(("write", asked["address"], asked["beats"]))
            await comes(ctx, "written", wait)
            await pulse(ctx, dut.written)

    async def watch(ctx):
        # The first failure ends everything; the reset that follows is left to the processor.
        async for _, _, begin, ended, failed, code, detail, writes, taken, answer in ctx.tick().sample(
                dut.begin, dut.done, dut.failed, dut.code, dut.detail, dut.writes.valid, dut.writes.ready, dut.answer):
            assert answer == (writes and taken)
            if failed:
                failures.append((ErrorCode(code), detail))
            elif begin or ended:
                seen.append("begin" if begin else "done")

    async def host(ctx):
        ctx.set(dut.order, ORDER | changed)
        for member, value in ((dut.classes, CLASSES), (dut.layers, LAYERS), (dut.limit, LIMIT), (dut.section, SECTION)):
            ctx.set(member, value)
        await pulse(ctx, getattr(dut, command))
        while ctx.get(dut.busy) and not failures:
            await ctx.tick()
        before = list(seen)
        if not failures:
            await idle(ctx, 20)
        assert seen == before

    simulate(dut, host, processes=[holds(dut.reads), holds(dut.writes), world, watch])
    return seen, failures[:1]


def register(name):
    return next(its.absolute_address for its in registers() if its.inst_name == name)


@pytest.mark.parametrize("wait", [0, 7])
def test_every_picture_is_loaded_run_and_answered_in_turn(wait):
    expected = [step for number in range(3) for step in (
        ("read", (0x400 + 0x80 * number) // BEAT, 3), "run",
        ("write", 0x1_0000 // BEAT + ANSWER_BEATS * number, ANSWER_BEATS))]
    assert done(wait=wait) == (["begin", *expected, "done"], [])


@pytest.mark.parametrize("words, beats", [(1, 1), (4, 1), (5, 2), ((1 << 24) - 1, 1 << 22)])
def test_a_load_reads_the_beats_that_hold_its_words(words, beats):
    assert done(command="load", source_words=words) == ([("read", 0x400 // BEAT, beats), "done"], [])


def test_what_was_loaded_settles_before_the_run_and_the_answer_follows_the_run_at_once():
    dut, events = Steps(CFG), {}

    async def watch(ctx):
        cycle = 0
        members = {"loaded": dut.loaded, "start": dut.start, "answered": dut.answered, "write": dut.writes.valid}
        async for _, _, *values in ctx.tick().sample(*members.values()):
            cycle += 1
            for name, value in zip(members, values):
                if value:
                    events.setdefault(name, cycle)

    async def host(ctx):
        ctx.set(dut.order, ORDER)
        ctx.set(dut.limit, LIMIT)
        ctx.set(dut.reads.ready, 1)
        await pulse(ctx, dut.batch)
        await ctx.tick()
        await pulse(ctx, dut.loaded)
        await idle(ctx, 20)
        await pulse(ctx, dut.answered)
        await idle(ctx, 5)

    simulate(dut, host, processes=[watch])
    assert events["start"] - events["loaded"] == SETTLING and events["write"] - events["answered"] == 1


@pytest.mark.parametrize("name, value", [
    ("source_address", 0x408), ("source_words", 0), ("batch_pictures", 0), ("batch_distance", 4),
    ("batch_answers", 0x1_0001)])
def test_refuses_what_is_no_whole_beat_or_nothing(name, value):
    assert done(**{name: value}) == ([], [(ErrorCode.SETTINGS, register(name))])


def test_settings_of_a_batch_do_not_matter_to_a_load():
    assert done(command="load", batch_pictures=0, batch_distance=1, batch_answers=1)[1] == []


def test_reads_and_writes_up_to_the_highest_address_and_not_beyond():
    refused = [(ErrorCode.SETTINGS, register("source_address"))]
    assert done(command="load", source_address=HIGHEST, source_words=4) == (
        [("read", HIGHEST // BEAT, 1), "done"], [])
    assert done(command="load", source_address=HIGHEST, source_words=5) == ([], refused)
    # The second picture, and the second answer.
    seen, failures = done(source_address=HIGHEST - 0x40)
    assert len(seen) == 4 and failures == refused
    last = (1 << 32) - 2 * BEAT * ANSWER_BEATS
    assert done(batch_answers=last, batch_pictures=2)[1] == []
    seen, failures = done(batch_answers=last)
    assert seen.count("run") == 3 and failures == [(ErrorCode.SETTINGS, register("batch_answers"))]


@pytest.mark.parametrize("command", ["load", "batch"])
def test_a_section_that_is_left_incomplete_is_an_error(command):
    seen, failures = done(command=command, loading=1)
    assert failures == [(ErrorCode.LOAD, SECTION)] and "run" not in seen and "done" not in seen


@pytest.mark.parametrize("stuck", ["reads", "loaded", "writes", "written"])
def test_a_transfer_that_does_not_end_is_an_error(stuck):
    assert done(stuck=stuck)[1] == [(ErrorCode.CYCLES, LIMIT)]


def test_runs_and_pictures_have_their_own_time():
    seen, failures = done(wait=LIMIT // 4, run=2 * LIMIT)
    assert seen[-1] == "done" and not failures
