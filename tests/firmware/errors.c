/* Every error that the exported processor itself can report, by way of the driver; after each, a picture is run as if
 * nothing had been. Where there is a memory, it stops, too. On the system of cosim/soc.sv, in place of
 * firmware/example/main.c. */

#include "example/console.h"
#include "example/flash.h"
#include "firstlight_driver.h"

extern const struct directory flash;
extern volatile uint32_t processor;
extern volatile uint32_t memory[], memory_stopped;

enum {
    IMAGE_WORDS = 4096,
    FIRST_SECTION = 19,              /* that of the descriptors */
    FIRST_LAYER = FIRST_SECTION + 3, /* its descriptor */
    STRIDE_WORD = FIRST_LAYER + 3,
    ROW_WORD = FIRST_LAYER + 9,
    CYCLE_LIMIT = 100000, /* more than a run takes */
    POLL_LIMIT = 10000,   /* and more looks */
    MIDST = 10,           /* looks at a run, after which it is in its midst */
};

static struct firstlight device = {.poll_limit = POLL_LIMIT};
static uint32_t spoiled[IMAGE_WORDS];
static uint8_t codes[64];
static const struct firstlight_picture picture = {codes, 8, 8};
static struct firstlight_result first, result;

static const uint32_t *image(void)
{
    return (const uint32_t *)((const char *)&flash + flash.job[0].image.offset);
}

/* Whether the picture was run as the first time. */
static int as_before(void)
{
    return result.class_index == first.class_index && result.cycles == first.cycles && result.events == first.events;
}

/* The image with another word somewhere. */
static enum firstlight_status load_with(uint32_t index, uint32_t word)
{
    for (uint32_t each = 0; each < flash.job[0].image.bytes / 4; each++)
        spoiled[each] = image()[each];
    spoiled[index] = word;
    return firstlight_load_image(&device, spoiled);
}

static enum firstlight_status start(void)
{
    enum firstlight_status status = firstlight_load_picture(&device, &picture);
    return status ? status : firstlight_start(&device);
}

static enum firstlight_status illegal_access(void)
{
    firstlight_write(device.base, offsetof(firstlight_t, id), 1);
    return firstlight_poll(&device);
}

static enum firstlight_status illegal_section(void)
{
    return load_with(FIRST_SECTION, 9 | 1 << 8);
}

static enum firstlight_status load_during_a_run(void)
{
    enum firstlight_status status = start();
    return status ? status : firstlight_load_picture(&device, &picture);
}

static enum firstlight_status illegal_threshold(void)
{
    enum firstlight_status status = firstlight_set_exit(&device, FIRSTLIGHT__EXIT_RULE__ENTROPY, 1 << 16);
    return status ? status : firstlight_classify(&device, &picture, &result);
}

static enum firstlight_status no_stride(void)
{
    enum firstlight_status status = load_with(STRIDE_WORD, image()[STRIDE_WORD] & ~0x000F0000u);
    return status ? status : firstlight_classify(&device, &picture, &result);
}

static enum firstlight_status rows_beyond_the_end(void)
{
    enum firstlight_status status = load_with(ROW_WORD, 0xFFFFFF);
    return status ? status : firstlight_classify(&device, &picture, &result);
}

static enum firstlight_status short_limit(void)
{
    firstlight_set_cycle_limit(&device, 50);
    enum firstlight_status status = firstlight_classify(&device, &picture, &result);
    firstlight_set_cycle_limit(&device, CYCLE_LIMIT);
    return status;
}

static enum firstlight_status abort_from_elsewhere(void)
{
    enum firstlight_status status = start();
    firstlight_write(device.base, offsetof(firstlight_t, control), FIRSTLIGHT__CONTROL__ABORT_bm);
    return status ? status : firstlight_wait(&device);
}

static enum firstlight_status impatience(void)
{
    device.poll_limit = 2;
    enum firstlight_status status = firstlight_classify(&device, &picture, &result);
    device.poll_limit = POLL_LIMIT;
    return status;
}

static enum firstlight_status nothing_wrong(void)
{
    return firstlight_classify(&device, &picture, &result);
}

static enum firstlight_status beyond_the_memory(void)
{
    device.memory.address = device.memory.bytes;
    enum firstlight_status status = firstlight_load_image(&device, image());
    device.memory.address = 0;
    return status;
}

static enum firstlight_status load_from_a_stopped_memory(void)
{
    memory_stopped = 1;
    enum firstlight_status status = firstlight_load_image(&device, image());
    memory_stopped = 0;
    return status;
}

/* Stop the memory in the midst of what was begun, and see how it ends. FIRSTLIGHT_OK, here and below, means that
 * something else went wrong. */
static enum firstlight_status stopped_in_the_midst(void)
{
    for (uint32_t looks = 0; looks < MIDST; looks++)
        if (firstlight_poll(&device) != FIRSTLIGHT_RUNNING)
            return FIRSTLIGHT_OK;
    memory_stopped = 1;
    return firstlight_wait(&device);
}

/* As long as the memory is stopped, another run ends likewise; then the network, which needs no load, is as it was. */
static enum firstlight_status run_from_a_stopped_memory(void)
{
    enum firstlight_status status = start();
    if (!status)
        status = stopped_in_the_midst();
    enum firstlight_status again = firstlight_classify(&device, &picture, &result);
    memory_stopped = 0;
    if (again != status || firstlight_classify(&device, &picture, &result) || !as_before())
        return FIRSTLIGHT_OK;
    return status;
}

static enum firstlight_status run_from_a_stopped_memory_without_a_limit(void)
{
    firstlight_set_cycle_limit(&device, ~0u);
    enum firstlight_status status = run_from_a_stopped_memory();
    firstlight_set_cycle_limit(&device, CYCLE_LIMIT);
    return status;
}

/* Then, the same batch is answered. */
static enum firstlight_status batch_from_a_stopped_memory(void)
{
    struct firstlight_batch batch = {firstlight_stored_bytes(image()), 2};
    enum firstlight_status status = FIRSTLIGHT_OK;
    for (uint32_t index = 0; index < batch.pictures && !status; index++)
        status = firstlight_store_picture(&device, &batch, index, &picture);
    if (!status)
        status = firstlight_start_batch(&device, &batch);
    if (!status)
        status = stopped_in_the_midst();
    memory_stopped = 0;
    if (firstlight_answered(&device) || firstlight_start_batch(&device, &batch) || firstlight_wait(&device) ||
        firstlight_read_answer(&device, &batch, 1, &result, NULL, NULL) || !as_before())
        return FIRSTLIGHT_OK;
    return status;
}

static const struct provocation {
    enum firstlight_status status;
    enum firstlight_status (*provoke)(void);
} provocations[] = {
    {FIRSTLIGHT_REGISTER, illegal_access},
    {FIRSTLIGHT_LOAD, illegal_section},
    {FIRSTLIGHT_BUSY, load_during_a_run},
    {FIRSTLIGHT_SETTINGS, illegal_threshold},
    {FIRSTLIGHT_DESCRIPTOR, no_stride},
    {FIRSTLIGHT_ADDRESS, rows_beyond_the_end},
    {FIRSTLIGHT_CYCLES, short_limit},
    {FIRSTLIGHT_ABORTED, abort_from_elsewhere},
    {FIRSTLIGHT_TIMEOUT, impatience},
    {FIRSTLIGHT_OK, nothing_wrong},
}, memory_provocations[] = {
    {FIRSTLIGHT_MEMORY, beyond_the_memory},
    {FIRSTLIGHT_CYCLES, load_from_a_stopped_memory},
    {FIRSTLIGHT_CYCLES, run_from_a_stopped_memory},
    {FIRSTLIGHT_TIMEOUT, run_from_a_stopped_memory_without_a_limit},
    {FIRSTLIGHT_CYCLES, batch_from_a_stopped_memory},
};

static int provoke_all(const struct provocation *each, uint32_t count)
{
    for (; count; each++, count--) {
        enum firstlight_status status = each->provoke();
        put_number((int32_t)status, 3);
        put(" ");
        put(firstlight_message(status));
        put("\n");
        if (status != each->status)
            return 1;
        status = firstlight_load_image(&device, image());
        if (!status)
            status = firstlight_classify(&device, &picture, &result);
        if (status)
            return (int)status;
        if (!as_before())
            return 2;
    }
    return 0;
}

int main(void)
{
    const uint8_t *pixels = (const uint8_t *)&flash + flash.job[0].pictures.offset;
    device.base = (uintptr_t)&processor;
    device.memory = (struct firstlight_memory){.words = memory, .address = 0, .bytes = flash.memory_bytes};
    enum firstlight_status status = firstlight_open(&device);
    if (!status)
        status = firstlight_load_image(&device, image());
    firstlight_encode(image(), pixels, sizeof codes, (uint8_t)flash.job[0].white, codes);
    if (!status)
        status = firstlight_classify(&device, &picture, &first);
    if (status)
        return (int)status;
    firstlight_set_cycle_limit(&device, CYCLE_LIMIT);
    int failed = provoke_all(provocations, sizeof provocations / sizeof *provocations);
    if (!failed && device.memory.bytes)
        failed = provoke_all(memory_provocations, sizeof memory_provocations / sizeof *memory_provocations);
    return failed;
}
