/* A program for a processor beside ours: it classifies the pictures in its flash and prints what came of each. */

#include "console.h"
#include "firstlight_driver.h"
#include "flash.h"

extern const struct directory flash;
extern volatile uint32_t processor;
extern volatile uint32_t memory[];

enum {
    PIXELS = 4096,              /* room for a picture */
    CYCLE_LIMIT = 10 * 1000000, /* no run takes longer, unless something is wrong */
};

static uint32_t sleeps;
static uint8_t codes[PIXELS], policy_codes[PIXELS];
static int32_t logits[sizeof(firstlight__logits_t) / 4];

/* PicoRV32 stands still until a line is high, here that of our processor. Elsewhere this would be `wfi`. */
static void sleep(void *sleeper)
{
    uint32_t lines;
    (void)sleeper;
    __asm__ volatile(".insn r 0x0B, 0, 4, %0, zero, zero" : "=r"(lines) : : "memory");
    sleeps++;
}

static const void *at(const struct place *place)
{
    return (const char *)&flash + place->offset;
}

static void put_header(const uint32_t *image)
{
    char name[FIRSTLIGHT_NAME_SIZE];
    firstlight_name(image, name);
    put("\n");
    put(name);
    put("\npicture class timestep   cycles logits\n");
}

static void put_row(const uint32_t *image, int32_t picture, const struct firstlight_result *result)
{
    put_number(picture, 7);
    put_number((int32_t)result->class_index, 6);
    put_number((int32_t)result->timestep, 9);
    put_number((int32_t)result->cycles, 9);
    for (uint32_t index = 0; index < firstlight_classes(image); index++)
        put_number(logits[index], 9);
    put("\n");
}

/* The pictures of a job once more: the processor loads network and pictures from the memory, and writes answers there. */
static enum firstlight_status run_batch(struct firstlight *device, const struct job *job)
{
    const uint32_t *image = at(&job->image);
    const uint8_t *pixels = at(&job->pictures);
    uint32_t size = job->channels * job->height * job->width;
    struct firstlight_picture picture = {codes, job->height, job->width};
    struct firstlight_batch batch = {firstlight_stored_bytes(image), job->pictures.bytes / size};
    struct firstlight_result result;

    enum firstlight_status status = firstlight_store_image(device, image, 0);
    if (!status)
        status = firstlight_load_stored(device, image, 0);
    for (uint32_t index = 0; index < batch.pictures && !status; index++, pixels += size) {
        firstlight_encode(image, pixels, size, (uint8_t)job->white, codes);
        status = firstlight_store_picture(device, &batch, index, &picture);
    }
    if (!status)
        status = firstlight_start_batch(device, &batch);
    if (!status)
        status = firstlight_wait(device);
    if (!status)
        put("as a batch\n");
    for (uint32_t index = 0; index < batch.pictures && !status; index++) {
        status = firstlight_read_answer(device, &batch, index, &result, logits, NULL);
        if (!status)
            put_row(image, (int32_t)index, &result);
    }
    return status;
}

/* Run the pictures of a job. */
static enum firstlight_status run(struct firstlight *device, const struct job *job)
{
    struct firstlight_picture picture = {codes, job->height, job->width};
    struct firstlight_picture policy_picture = {policy_codes, job->height, job->width};
    const uint32_t *image = at(&job->image), *policy = job->policy.bytes ? at(&job->policy) : NULL;
    const uint8_t *pixels = at(&job->pictures);
    uint32_t size = job->channels * job->height * job->width, count = job->pictures.bytes / size;
    struct firstlight_result result;

    enum firstlight_status status = size <= PIXELS ? FIRSTLIGHT_OK : FIRSTLIGHT_PICTURE_SIZE;
    if (!status)
        status = firstlight_check_image(image, job->image.bytes);
    if (!status && policy)
        status = firstlight_check_image(policy, job->policy.bytes);
    if (!status)
        status = firstlight_load_image(device, image);
    if (!status)
        put_header(image);
    if (!status && job->signatures.bytes) {
        firstlight_encode(image, pixels, size, (uint8_t)job->white, codes);
        status = firstlight_self_test(device, &picture, at(&job->signatures));
        if (!status)
            put("self-test passed\n");
    }
    for (uint32_t index = 0; index < count && !status; index++, pixels += size) {
        firstlight_encode(image, pixels, size, (uint8_t)job->white, codes);
        if (policy) {
            firstlight_encode(policy, pixels, size, (uint8_t)job->white, policy_codes);
            status = firstlight_classify_by_policy(device, policy, &policy_picture, image, &picture, &result);
        } else
            status = firstlight_classify(device, &picture, &result);
        if (!status) {
            firstlight_read_logits(device, logits, firstlight_classes(image));
            put_row(image, (int32_t)index, &result);
        }
    }
    if (!status && device->memory.bytes && !policy)
        status = run_batch(device, job);
    return status;
}

int main(void)
{
    struct firstlight device = {.base = (uintptr_t)&processor, .sleep = sleep, .poll_limit = 10,
                                .memory = {.words = memory, .address = 0, .bytes = flash.memory_bytes}};
    enum firstlight_status status = firstlight_open(&device);
    if (!status)
        firstlight_set_cycle_limit(&device, CYCLE_LIMIT);
    for (uint32_t index = 0; index < flash.jobs && !status; index++)
        status = run(&device, &flash.job[index]);
    if (status) {
        put("error: ");
        put(firstlight_message(status));
        put(" Layer ");
        put_number((int32_t)device.error_layer, 0);
        put(", detail ");
        put_number((int32_t)device.error_detail, 0);
        put(".\n");
    } else {
        put("\nslept ");
        put_number((int32_t)sleeps, 0);
        put(" times\n");
    }
    return (int)status;
}
