#include "fake.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firstlight_driver.h"

struct fake fake;

static void check(int legal, const char *access, uint32_t offset)
{
    if (!legal) {
        fprintf(stderr, "the driver %s at %#x\n", access, (unsigned)offset);
        exit(1);
    }
}

static void report(uint32_t code)
{
    if (!(fake.registers.interrupt & FIRSTLIGHT__INTERRUPT__ERROR_bm)) {
        fake.registers.error = code | 3 << FIRSTLIGHT__ERROR__LAYER_bp;
        fake.registers.error_detail = 0xDE7A11;
    }
    fake.registers.interrupt |= FIRSTLIGHT__INTERRUPT__ERROR_bm;
}

/* One cycle, as seen by a host that looks again and again. */
static void pass(void)
{
    if (!fake.registers.status || fake.run_error == NEVER_ENDS || fake.looks-- > 0)
        return;
    fake.looks = 0;
    fake.registers.status = 0;
    if (fake.run_error)
        report(fake.run_error);
    else
        fake.registers.interrupt |= FIRSTLIGHT__INTERRUPT__DONE_bm;
}

/* Whether a processor without a memory bus lacks this register. */
static int needs_memory(uint32_t offset)
{
    return offset >= offsetof(firstlight_t, source_address) && offset <= offsetof(firstlight_t, batch_done);
}

uint32_t firstlight_read(uintptr_t base, uint32_t offset)
{
    check(base == 0x4000 && offset % 4 == 0 && offset < sizeof fake.registers, "reads", offset);
    check(offset < offsetof(firstlight_t, load) || offset >= offsetof(firstlight_t, logits), "reads the load window",
          offset);
    check(offset != offsetof(firstlight_t, control), "reads control", offset);
    check(!needs_memory(offset) || fake.registers.capability_memory, "reads, without a memory,", offset);
    if (offset == offsetof(firstlight_t, interrupt))
        pass();
    uint32_t value;
    memcpy(&value, (const char *)&fake.registers + offset, sizeof value);
    return value;
}

void firstlight_write(uintptr_t base, uint32_t offset, uint32_t value)
{
    check(base == 0x4000 && offset % 4 == 0, "writes", offset);
    if (offset >= offsetof(firstlight_t, load) && offset < offsetof(firstlight_t, logits)) {
        check(fake.loaded_words < sizeof fake.loaded / 4, "writes too much", offset);
        fake.loaded[fake.loaded_words++] = value;
        if (fake.load_error)
            report(fake.load_error);
        return;
    }
    check(!needs_memory(offset) || fake.registers.capability_memory, "writes, without a memory,", offset);
    switch (offset) {
    case offsetof(firstlight_t, control):
        if (value & FIRSTLIGHT__CONTROL__ABORT_bm) {
            fake.aborts++;
            if (fake.registers.status)
                report(FIRSTLIGHT__ERROR_CODE__ABORTED);
            fake.registers.status = 0;
        }
        if (value & FIRSTLIGHT__CONTROL__START_bm) {
            fake.budgets[fake.runs++ % 4] = fake.registers.network;
            fake.registers.status = FIRSTLIGHT__STATUS__BUSY_bm;
        }
        if (value & (FIRSTLIGHT__CONTROL__LOAD_bm | FIRSTLIGHT__CONTROL__BATCH_bm)) {
            check(fake.registers.capability_memory != 0, "commands, without a memory,", offset);
            *(value & FIRSTLIGHT__CONTROL__LOAD_bm ? &fake.loads : &fake.batches) += 1;
            fake.registers.status = FIRSTLIGHT__STATUS__BUSY_bm;
        }
        break;
    case offsetof(firstlight_t, interrupt): fake.registers.interrupt &= ~value; break;
    case offsetof(firstlight_t, interrupt_enable): fake.registers.interrupt_enable = value; break;
    case offsetof(firstlight_t, cycle_limit): fake.registers.cycle_limit = value; break;
    case offsetof(firstlight_t, network): fake.registers.network = value; break;
    case offsetof(firstlight_t, exit): fake.registers.exit = value; break;
    case offsetof(firstlight_t, exit_threshold): fake.registers.exit_threshold = value; break;
    case offsetof(firstlight_t, source_address): fake.registers.source_address = value; break;
    case offsetof(firstlight_t, source_words): fake.registers.source_words = value; break;
    case offsetof(firstlight_t, batch_pictures): fake.registers.batch_pictures = value; break;
    case offsetof(firstlight_t, batch_distance): fake.registers.batch_distance = value; break;
    case offsetof(firstlight_t, batch_answers): fake.registers.batch_answers = value; break;
    default: check(0, "writes what is only read", offset);
    }
}
