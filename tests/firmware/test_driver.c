/* The driver against a fake processor: ./test_driver IMAGE STREAMED [TEST]; without a test, all of them.
 *
 * IMAGE is digits-lif, compiled for the preset tiny; the fake is such a processor. STREAMED is the same for the preset
 * tiny_stream, where weights come from the memory.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"
#include "firstlight_driver.h"

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            exit(1); \
        } \
    } while (0)

/* See that a call gives a status, and remember that one did. */
#define GIVES(status, call) \
    do { \
        enum firstlight_status got = (call); \
        if (got != (status)) { \
            fprintf(stderr, "%s:%d: %s gives %d, %s\n", __FILE__, __LINE__, #call, got, firstlight_message(got)); \
            exit(1); \
        } \
        provoked[got] = true; \
    } while (0)

enum { STATUSES = 512, IMAGE_WORDS = 1 << 14, LAYERS = 4, TIMESTEPS = 4, CLASSES = 10, BEAT = 8 };

static bool provoked[STATUSES];
static struct file { uint32_t words[IMAGE_WORDS], count; } resident, streamed;
static const uint32_t *original;
static uint32_t *image, image_words, *memory;
static struct firstlight processor;
static uint8_t codes[64];
static const struct firstlight_picture picture = {.codes = codes, .height = 8, .width = 8};
static struct firstlight_result result;

/* The image in memory of exactly its size, so that an access beyond it is found. */
static void copy_image(uint32_t words)
{
    free(image);
    image = (uint32_t *)malloc(4 * words);
    memcpy(image, original, 4 * (words < image_words ? words : image_words));
}

/* The CRC of an image that a test has changed: bit by bit, as the standard has it. */
static void sign(uint32_t *words, uint32_t count)
{
    uint32_t crc = ~0u;
    for (uint32_t bit = 0; bit < 32 * (count - 1); bit++) {
        crc ^= words[bit / 32] >> bit % 32 & 1;
        crc = crc & 1 ? crc >> 1 ^ 0xEDB88320 : crc >> 1;
    }
    words[count - 1] = ~crc;
}

static void begin_with(const struct file *file)
{
    original = file->words;
    image_words = file->count;
    copy_image(image_words);
    memset(&fake, 0, sizeof fake);
    memset(codes, 31, sizeof codes);
    fake.registers.id = FIRSTLIGHT__ID__VALUE_reset;
    fake.registers.version = FIRSTLIGHT__VERSION__MINOR_reset;
    fake.registers.capability_columns = 16 | 1 << 16 | 2 << 24;
    fake.registers.capability_tiles = 1024 | 1 << 24;
    fake.registers.capability_spikes = 512 | 1 << 24;
    fake.registers.capability_limits = 8 | 32 << 8 | 16 << 16;
    memset(&processor, 0, sizeof processor);
    processor.base = 0x4000;
    processor.poll_limit = 100;
}

static void begin(void)
{
    begin_with(&resident);
}

/* With a memory of exactly so many bytes, so that an access beyond it is found. */
static void begin_memory(uint32_t bytes)
{
    begin_with(&streamed);
    fake.registers.capability_memory = 8 * BEAT;
    free(memory);
    memory = (uint32_t *)calloc(1, bytes);
    processor.memory = (struct firstlight_memory){.words = memory, .address = 0x80000000, .bytes = bytes};
    GIVES(FIRSTLIGHT_OK, firstlight_open(&processor));
    GIVES(FIRSTLIGHT_OK, firstlight_check_image(image, 4 * image_words));
}

/* As begin, and with the network on the processor. */
static void begin_loaded(void)
{
    begin();
    GIVES(FIRSTLIGHT_OK, firstlight_open(&processor));
    GIVES(FIRSTLIGHT_OK, firstlight_check_image(image, 4 * image_words));
    GIVES(FIRSTLIGHT_OK, firstlight_load_image(&processor, image));
    fake.loaded_words = 0;
}

#define TEST(name) static void name(void)

TEST(opening_leaves_nothing_of_what_was_before)
{
    begin();
    fake.registers.status = FIRSTLIGHT__STATUS__BUSY_bm;
    fake.registers.interrupt = FIRSTLIGHT__INTERRUPT__DONE_bm;
    GIVES(FIRSTLIGHT_OK, firstlight_open(&processor));
    CHECK(fake.aborts == 1 && fake.registers.interrupt == 0 && fake.registers.interrupt_enable == 3);
    fake.registers.version = 7 << FIRSTLIGHT__VERSION__MINOR_bp;
    GIVES(FIRSTLIGHT_OK, firstlight_open(&processor));
}

TEST(another_device_and_another_version_are_refused_and_left_alone)
{
    begin();
    fake.registers.id ^= 1;
    GIVES(FIRSTLIGHT_NOT_FOUND, firstlight_open(&processor));
    begin();
    fake.registers.version |= 1 << FIRSTLIGHT__VERSION__MAJOR_bp;
    GIVES(FIRSTLIGHT_OTHER_VERSION, firstlight_open(&processor));
    CHECK(fake.aborts == 0 && fake.registers.interrupt_enable == 0);
}

TEST(an_image_of_another_size_than_it_says_is_refused)
{
    begin();
    for (uint32_t bytes = 0; bytes < 4 * image_words; bytes++) {
        if (bytes % 4 == 0)
            copy_image(bytes / 4);
        GIVES(FIRSTLIGHT_IMAGE_SIZE, firstlight_check_image(image, bytes));
    }
    copy_image(image_words + 1);
    GIVES(FIRSTLIGHT_IMAGE_SIZE, firstlight_check_image(image, 4 * image_words + 4));
}

TEST(another_file_and_another_version_of_the_format_are_refused)
{
    begin();
    image[0] ^= 1;
    GIVES(FIRSTLIGHT_IMAGE_MAGIC, firstlight_check_image(image, 4 * image_words));
    begin();
    image[1] += 1;
    GIVES(FIRSTLIGHT_IMAGE_VERSION, firstlight_check_image(image, 4 * image_words));
}

TEST(a_bit_that_differs_anywhere_is_found)
{
    begin();
    for (uint32_t word = 3; word < image_words; word++) {
        image[word] ^= 1u << word % 32;
        GIVES(FIRSTLIGHT_IMAGE_CRC, firstlight_check_image(image, 4 * image_words));
        image[word] ^= 1u << word % 32;
    }
    GIVES(FIRSTLIGHT_OK, firstlight_check_image(image, 4 * image_words));
}

TEST(a_section_that_leads_beyond_the_end_is_refused)
{
    enum { FIRST_SECTION = 19, HEAD = 3 };
    static const uint32_t counts[] = {0xFFFFFFFF, 0x80000001, 1 << 20};
    for (uint32_t index = 0; index < sizeof counts / sizeof *counts; index++) {
        begin();
        image[FIRST_SECTION + 2] = counts[index];
        sign(image, image_words);
        GIVES(FIRSTLIGHT_IMAGE_SECTION, firstlight_check_image(image, 4 * image_words));
    }
    begin();
    image[FIRST_SECTION] &= 0xFF; /* no granules */
    sign(image, image_words);
    GIVES(FIRSTLIGHT_IMAGE_SECTION, firstlight_check_image(image, 4 * image_words));
    /* Ends in the middle of a head, or before its first section. */
    for (uint32_t words = FIRST_SECTION; words < FIRST_SECTION + HEAD; words++) {
        begin();
        copy_image(words + 1);
        image[2] = words + 1;
        sign(image, words + 1);
        GIVES(FIRSTLIGHT_IMAGE_SECTION, firstlight_check_image(image, 4 * words + 4));
    }
}

TEST(an_image_for_another_processor_is_refused_and_the_processor_left_alone)
{
    static const struct { size_t capability; uint32_t change; enum firstlight_status status; } others[] = {
        {offsetof(firstlight_t, capability_columns), 1 << 4, FIRSTLIGHT_OTHER_COLUMNS},
        {offsetof(firstlight_t, capability_columns), 1 << 17, FIRSTLIGHT_OTHER_COLUMNS},
        {offsetof(firstlight_t, capability_columns), 1 << 26, FIRSTLIGHT_OTHER_COLUMNS},
        {offsetof(firstlight_t, capability_tiles), 1 << 25, FIRSTLIGHT_OTHER_WALKERS},
        {offsetof(firstlight_t, capability_spikes), 1 << 25, FIRSTLIGHT_OTHER_SPAN},
        {offsetof(firstlight_t, capability_memory), 64, FIRSTLIGHT_OTHER_BUS},
        {offsetof(firstlight_t, capability_limits), 8 ^ (LAYERS - 1), FIRSTLIGHT_TOO_LARGE},
        {offsetof(firstlight_t, capability_limits), (32 ^ (TIMESTEPS - 1)) << 8, FIRSTLIGHT_TOO_LARGE},
        {offsetof(firstlight_t, capability_limits), (16 ^ (CLASSES - 1)) << 16, FIRSTLIGHT_TOO_LARGE},
    };
    for (uint32_t index = 0; index < sizeof others / sizeof *others; index++) {
        begin_loaded();
        uint32_t value = firstlight_read(processor.base, (uint32_t)others[index].capability) ^ others[index].change;
        memcpy((char *)&fake.registers + others[index].capability, &value, sizeof value);
        GIVES(others[index].status, firstlight_load_image(&processor, image));
        CHECK(fake.loaded_words == 0 && processor.image == image);
    }
}

TEST(a_network_that_fits_exactly_is_loaded)
{
    begin();
    fake.registers.capability_limits = LAYERS | TIMESTEPS << 8 | CLASSES << 16;
    GIVES(FIRSTLIGHT_OK, firstlight_open(&processor));
    GIVES(FIRSTLIGHT_OK, firstlight_load_image(&processor, image));
    CHECK(fake.loaded_words == image_words - 20 && !memcmp(fake.loaded, image + 19, 4 * fake.loaded_words));
    CHECK(fake.registers.network == image[5] && fake.registers.exit == image[6]);
    CHECK(fake.registers.exit_threshold == image[7]);
}

TEST(nothing_goes_without_an_image)
{
    begin();
    GIVES(FIRSTLIGHT_OK, firstlight_open(&processor));
    GIVES(FIRSTLIGHT_NO_IMAGE, firstlight_load_picture(&processor, &picture));
    GIVES(FIRSTLIGHT_NO_IMAGE, firstlight_set_budget(&processor, 1));
    GIVES(FIRSTLIGHT_NO_IMAGE, firstlight_set_exit(&processor, FIRSTLIGHT__EXIT_RULE__MARGIN, 1));
    GIVES(FIRSTLIGHT_NO_IMAGE, firstlight_start(&processor));
    GIVES(FIRSTLIGHT_NO_IMAGE, firstlight_classify(&processor, &picture, &result));
    CHECK(fake.runs == 0 && fake.loaded_words == 0);
}

TEST(an_image_says_what_it_is)
{
    char name[FIRSTLIGHT_NAME_SIZE];
    begin();
    firstlight_name(image, name);
    CHECK(!strcmp(name, "digits-lif"));
    CHECK(firstlight_layers(image) == LAYERS && firstlight_timesteps(image) == TIMESTEPS);
    CHECK(firstlight_classes(image) == CLASSES);
    memset(image + 11, 'n', 32);
    firstlight_name(image, name);
    CHECK(strlen(name) == 32);
}

TEST(an_image_that_the_processor_refuses_is_none)
{
    begin_loaded();
    fake.load_error = FIRSTLIGHT__ERROR_CODE__LOAD;
    GIVES(FIRSTLIGHT_LOAD, firstlight_load_image(&processor, image));
    CHECK(fake.aborts == 2 && fake.registers.interrupt == 0);
    fake.load_error = 0;
    GIVES(FIRSTLIGHT_NO_IMAGE, firstlight_classify(&processor, &picture, &result));
    GIVES(FIRSTLIGHT_OK, firstlight_load_image(&processor, image));
    GIVES(FIRSTLIGHT_OK, firstlight_classify(&processor, &picture, &result));
}

TEST(a_picture_that_the_network_cannot_read_is_refused)
{
    begin_loaded();
    struct firstlight_picture other = picture;
    other.height = 9;
    GIVES(FIRSTLIGHT_PICTURE_SIZE, firstlight_load_picture(&processor, &other));
    other.height = 8;
    other.width = 0;
    GIVES(FIRSTLIGHT_PICTURE_SIZE, firstlight_load_picture(&processor, &other));
    codes[63] = 24; /* slots of the window: 0 to 23 */
    GIVES(FIRSTLIGHT_PICTURE_CODE, firstlight_load_picture(&processor, &picture));
    codes[63] = 32;
    GIVES(FIRSTLIGHT_PICTURE_CODE, firstlight_load_picture(&processor, &picture));
    CHECK(fake.loaded_words == 0);
    codes[63] = 0;
    GIVES(FIRSTLIGHT_OK, firstlight_load_picture(&processor, &picture));
    fake.load_error = FIRSTLIGHT__ERROR_CODE__BUSY;
    GIVES(FIRSTLIGHT_BUSY, firstlight_load_picture(&processor, &picture));
}

TEST(every_error_of_the_processor_is_named_and_forgiven)
{
    for (uint32_t code = FIRSTLIGHT__ERROR_CODE__REGISTER; code <= FIRSTLIGHT__ERROR_CODE__MEMORY; code++) {
        begin_loaded();
        fake.run_error = code;
        GIVES((enum firstlight_status)code, firstlight_classify(&processor, &picture, &result));
        CHECK(processor.error_layer == 3 && processor.error_detail == 0xDE7A11);
        CHECK(fake.registers.interrupt == 0 && fake.registers.status == 0);
        fake.run_error = ENDS_WELL;
        GIVES(FIRSTLIGHT_OK, firstlight_classify(&processor, &picture, &result));
    }
    begin_loaded();
    fake.run_error = FIRSTLIGHT__ERROR_CODE__MEMORY + 1;
    GIVES(FIRSTLIGHT_UNKNOWN_ERROR, firstlight_classify(&processor, &picture, &result));
}

static void count(void *sleeper)
{
    ++*(uint32_t *)sleeper;
}

TEST(a_run_that_does_not_end_is_aborted_after_so_many_looks)
{
    uint32_t sleeps = 0;
    begin_loaded();
    processor.sleep = count;
    processor.sleeper = &sleeps;
    fake.run_error = NEVER_ENDS;
    GIVES(FIRSTLIGHT_TIMEOUT, firstlight_classify(&processor, &picture, &result));
    CHECK(sleeps == 100 && fake.aborts == 2);
    CHECK(fake.registers.interrupt == 0 && fake.registers.status == 0);
    fake.run_error = ENDS_WELL;
    GIVES(FIRSTLIGHT_OK, firstlight_classify(&processor, &picture, &result));
}

TEST(a_driver_sleeps_between_two_looks)
{
    uint32_t sleeps = 0;
    begin_loaded();
    processor.sleep = count;
    processor.sleeper = &sleeps;
    fake.looks = 1;
    GIVES(FIRSTLIGHT_OK, firstlight_load_picture(&processor, &picture));
    GIVES(FIRSTLIGHT_OK, firstlight_start(&processor));
    GIVES(FIRSTLIGHT_OK, firstlight_wait(&processor));
    CHECK(sleeps == 1 && fake.registers.interrupt == 0);
    /* Without a limit, it waits as long as it takes. */
    processor.sleep = NULL;
    processor.poll_limit = 0;
    fake.looks = 100000;
    GIVES(FIRSTLIGHT_OK, firstlight_classify(&processor, &picture, &result));
}

TEST(a_run_can_be_polled)
{
    begin_loaded();
    fake.looks = 2;
    GIVES(FIRSTLIGHT_OK, firstlight_start(&processor));
    GIVES(FIRSTLIGHT_RUNNING, firstlight_poll(&processor));
    GIVES(FIRSTLIGHT_RUNNING, firstlight_poll(&processor));
    GIVES(FIRSTLIGHT_OK, firstlight_poll(&processor));
    GIVES(FIRSTLIGHT_RUNNING, firstlight_poll(&processor));
}

TEST(a_run_whose_end_was_not_seen_does_not_end_the_next)
{
    begin_loaded();
    fake.registers.interrupt = FIRSTLIGHT__INTERRUPT__DONE_bm;
    fake.run_error = NEVER_ENDS;
    GIVES(FIRSTLIGHT_OK, firstlight_start(&processor));
    GIVES(FIRSTLIGHT_RUNNING, firstlight_poll(&processor));
}

TEST(the_result_has_every_register_in_its_place)
{
    begin_loaded();
    fake.registers.result = 7 | 3 << 16;
    fake.registers.cycles = 1;
    fake.registers.busy_cycles = 2;
    fake.registers.empty_cycles = 3;
    fake.registers.fire_cycles = 4;
    fake.registers.events = 5;
    fake.registers.synaptic_operations = 6;
    fake.registers.spikes = 0xFFFFFFFF;
    fake.registers.neurons = 8;
    fake.registers.logits.mem[0] = 0xFFFFFFFE;
    fake.registers.logits.mem[1] = 5;
    fake.registers.signatures.mem[3] = 0xC0FFEE00;
    GIVES(FIRSTLIGHT_OK, firstlight_classify(&processor, &picture, &result));
    CHECK(result.class_index == 7 && result.timestep == 3);
    CHECK(result.cycles == 1 && result.busy_cycles == 2 && result.empty_cycles == 3 && result.fire_cycles == 4);
    CHECK(result.events == 5 && result.synaptic_operations == 6 && result.spikes == 0xFFFFFFFF && result.neurons == 8);
    int32_t logits[2];
    uint32_t signatures[LAYERS];
    firstlight_read_logits(&processor, logits, 2);
    firstlight_read_signatures(&processor, signatures, LAYERS);
    CHECK(logits[0] == -2 && logits[1] == 5 && signatures[0] == 0 && signatures[3] == 0xC0FFEE00);
}

TEST(budget_exit_rule_and_cycle_limit_are_written)
{
    begin_loaded();
    GIVES(FIRSTLIGHT_BUDGET, firstlight_set_budget(&processor, 0));
    GIVES(FIRSTLIGHT_BUDGET, firstlight_set_budget(&processor, TIMESTEPS + 1));
    CHECK(fake.registers.network == image[5] && fake.registers.exit == image[6]);
    GIVES(FIRSTLIGHT_OK, firstlight_set_budget(&processor, 2));
    CHECK(fake.registers.network == (LAYERS | 2 << 8 | CLASSES << 16) && (fake.registers.exit & 3) == 0);
    GIVES(FIRSTLIGHT_OK, firstlight_set_exit(&processor, FIRSTLIGHT__EXIT_RULE__MARGIN, 640));
    CHECK(fake.registers.network == image[5] && fake.registers.exit_threshold == 640);
    CHECK(fake.registers.exit == ((image[6] & ~3u) | FIRSTLIGHT__EXIT_RULE__MARGIN));
    firstlight_set_cycle_limit(&processor, 12345);
    CHECK(fake.registers.cycle_limit == 12345);
}

TEST(a_policy_sets_the_budget_and_its_cycles_count)
{
    begin_loaded();
    fake.registers.result = 2 | 1 << 16;
    fake.registers.cycles = 1000;
    fake.registers.neurons = 21;
    GIVES(FIRSTLIGHT_OK, firstlight_classify_by_policy(&processor, image, &picture, image, &picture, &result));
    CHECK(fake.runs == 2 && fake.budgets[0] == image[5]);
    CHECK(fake.budgets[1] == (LAYERS | 3 << 8 | CLASSES << 16));
    CHECK(result.class_index == 2 && result.cycles == 2000 && result.neurons == 42);
    fake.registers.result = TIMESTEPS;
    GIVES(FIRSTLIGHT_BUDGET, firstlight_classify_by_policy(&processor, image, &picture, image, &picture, &result));
    fake.run_error = FIRSTLIGHT__ERROR_CODE__CYCLES;
    GIVES(FIRSTLIGHT_CYCLES, firstlight_classify_by_policy(&processor, image, &picture, image, &picture, &result));
}

TEST(a_self_test_names_the_first_layer_that_differs)
{
    uint32_t signatures[LAYERS] = {11, 22, 33, 44};
    begin_loaded();
    memcpy(fake.registers.signatures.mem, signatures, sizeof signatures);
    GIVES(FIRSTLIGHT_OK, firstlight_self_test(&processor, &picture, signatures));
    fake.registers.signatures.mem[2] ^= 1u << 31;
    fake.registers.signatures.mem[3] ^= 1;
    GIVES(FIRSTLIGHT_SELF_TEST, firstlight_self_test(&processor, &picture, signatures));
    CHECK(processor.error_layer == 2);
    fake.run_error = NEVER_ENDS;
    GIVES(FIRSTLIGHT_TIMEOUT, firstlight_self_test(&processor, &picture, signatures));
}

TEST(an_image_whose_pictures_stay_in_the_memory_is_refused)
{
    /* Of the first section, that of the descriptors. */
    enum { FIRST_DESCRIPTOR = 19 + 3, PICTURE = 1 << 28 };
    begin_memory(1 << 14);
    CHECK((image[FIRST_DESCRIPTOR - 3] & 0xFF) == 0);
    image[FIRST_DESCRIPTOR] |= PICTURE;
    GIVES(FIRSTLIGHT_PICTURE_STAYS, firstlight_load_image(&processor, image));
    GIVES(FIRSTLIGHT_PICTURE_STAYS, firstlight_store_image(&processor, image, 0));
    CHECK(fake.loaded_words == 0 && fake.loads == 0 && !processor.image);
}

TEST(weights_in_a_memory_need_one)
{
    begin_memory(1 << 14);
    processor.memory.words = NULL;
    GIVES(FIRSTLIGHT_NEEDS_MEMORY, firstlight_load_image(&processor, image));
    GIVES(FIRSTLIGHT_NEEDS_MEMORY, firstlight_store_image(&processor, image, 0));
    GIVES(FIRSTLIGHT_NEEDS_MEMORY, firstlight_load_stored(&processor, image, 0));
    fake.registers.capability_memory = 0;
    GIVES(FIRSTLIGHT_OTHER_BUS, firstlight_load_image(&processor, image));
    fake.registers.capability_memory = 128;
    GIVES(FIRSTLIGHT_OTHER_BUS, firstlight_load_stored(&processor, image, 0));
    CHECK(fake.loaded_words == 0 && fake.loads == 0 && !processor.image);
    /* The bus is what counts, not what the driver is told. */
    struct firstlight_batch batch = {.pictures = 1};
    begin_loaded();
    processor.memory = (struct firstlight_memory){.words = memory, .bytes = 1 << 14};
    GIVES(FIRSTLIGHT_NEEDS_MEMORY, firstlight_store_image(&processor, image, 0));
    GIVES(FIRSTLIGHT_NEEDS_MEMORY, firstlight_store_picture(&processor, &batch, 0, &picture));
    CHECK(firstlight_stored_bytes(image) == 0 && firstlight_batch_bytes(image) == 0);
}

TEST(weights_that_stay_in_the_tiles_need_no_memory)
{
    begin();
    fake.registers.capability_memory = 8 * BEAT;
    image[10] |= BEAT << 24;
    sign(image, image_words);
    GIVES(FIRSTLIGHT_OK, firstlight_open(&processor));
    GIVES(FIRSTLIGHT_OK, firstlight_check_image(image, 4 * image_words));
    GIVES(FIRSTLIGHT_OK, firstlight_load_image(&processor, image));
    CHECK(fake.loads == 0 && fake.loaded_words == image_words - 20);
}

TEST(a_memory_has_to_begin_at_a_beat)
{
    const uint32_t room = 1 << 14;
    begin_memory(room);
    processor.memory.address += BEAT / 2;
    GIVES(FIRSTLIGHT_MEMORY_ALIGNMENT, firstlight_load_image(&processor, image));
    processor.memory.address -= BEAT / 2;
    processor.memory.words = (volatile uint32_t *)((char *)memory + 2);
    GIVES(FIRSTLIGHT_MEMORY_ALIGNMENT, firstlight_load_image(&processor, image));
    processor.memory.words = memory;
    GIVES(FIRSTLIGHT_MEMORY_ALIGNMENT, firstlight_store_image(&processor, image, BEAT / 2));
    GIVES(FIRSTLIGHT_MEMORY_ALIGNMENT, firstlight_load_stored(&processor, image, BEAT + 1));
    for (uint32_t word = 0; word < room / 4; word++)
        CHECK(memory[word] == 0);
    CHECK(fake.loads == 0);
}

TEST(a_memory_has_to_have_room)
{
    begin_with(&streamed);
    uint32_t bytes = firstlight_stored_bytes(image);
    begin_memory(bytes);
    GIVES(FIRSTLIGHT_OK, firstlight_load_image(&processor, image));
    CHECK(fake.loads == 1 && processor.image == image);
    GIVES(FIRSTLIGHT_MEMORY_SIZE, firstlight_store_image(&processor, image, BEAT));
    GIVES(FIRSTLIGHT_MEMORY_SIZE, firstlight_store_image(&processor, image, 0u - BEAT));
    processor.memory.bytes -= BEAT;
    GIVES(FIRSTLIGHT_MEMORY_SIZE, firstlight_load_image(&processor, image));
    GIVES(FIRSTLIGHT_MEMORY_SIZE, firstlight_load_stored(&processor, image, 0));
    processor.memory.bytes += BEAT;
    /* It was left alone. */
    CHECK(fake.loads == 1 && processor.image == image);
    /* It may end with the last address of the bus. */
    processor.memory.address = 0u - bytes;
    GIVES(FIRSTLIGHT_OK, firstlight_load_image(&processor, image));
    processor.memory.address += BEAT;
    GIVES(FIRSTLIGHT_MEMORY_SIZE, firstlight_load_image(&processor, image));
}

TEST(what_no_command_can_load_is_refused)
{
    enum { FIRST_SECTION = 19, HEAD = 3, COUNT = 1 << 24 };
    begin_memory(1 << 14);
    copy_image(FIRST_SECTION + HEAD + COUNT + 1);
    image[2] = FIRST_SECTION + HEAD + COUNT + 1;
    image[FIRST_SECTION] = 1 << 8;
    image[FIRST_SECTION + 2] = COUNT;
    GIVES(FIRSTLIGHT_TOO_LARGE, firstlight_store_image(&processor, image, 0));
    GIVES(FIRSTLIGHT_TOO_LARGE, firstlight_load_stored(&processor, image, 0));
}

TEST(weights_beyond_all_addresses_and_beats_of_another_width_are_no_image)
{
    begin_memory(1 << 14);
    uint32_t section = 19;
    while ((image[section] & 0xFF) != 4)
        section += 3 + (image[section] >> 8) * image[section + 2];
    static const uint32_t addresses[] = {0xFFFFFFFF, 0x20000000, 0x1FFFFF00};
    for (uint32_t index = 0; index < sizeof addresses / sizeof *addresses; index++) {
        image[section + 1] = addresses[index];
        sign(image, image_words);
        GIVES(FIRSTLIGHT_IMAGE_SECTION, firstlight_check_image(image, 4 * image_words));
    }
    image[section + 1] = 0;
    image[10] ^= 24u << 24;
    sign(image, image_words);
    GIVES(FIRSTLIGHT_IMAGE_SECTION, firstlight_check_image(image, 4 * image_words));
}

TEST(a_load_that_fails_or_never_ends_leaves_no_network)
{
    static const struct { uint32_t error; enum firstlight_status status; } ends[] = {
        {FIRSTLIGHT__ERROR_CODE__MEMORY, FIRSTLIGHT_MEMORY},
        {FIRSTLIGHT__ERROR_CODE__LOAD, FIRSTLIGHT_LOAD},
        {FIRSTLIGHT__ERROR_CODE__CYCLES, FIRSTLIGHT_CYCLES},
        {NEVER_ENDS, FIRSTLIGHT_TIMEOUT},
    };
    begin_memory(1 << 14);
    for (uint32_t index = 0; index < sizeof ends / sizeof *ends; index++) {
        GIVES(FIRSTLIGHT_OK, firstlight_load_image(&processor, image));
        fake.aborts = 0;
        fake.run_error = ends[index].error;
        GIVES(ends[index].status, firstlight_load_stored(&processor, image, 0));
        CHECK(!processor.image && fake.aborts == 1 && fake.registers.status == 0 && fake.registers.interrupt == 0);
        fake.run_error = ENDS_WELL;
        GIVES(FIRSTLIGHT_NO_IMAGE, firstlight_start(&processor));
    }
    CHECK(fake.loaded_words == 0);
}

TEST(a_batch_takes_its_pictures_and_no_others)
{
    struct firstlight_batch batch = {.offset = 1 << 13, .pictures = 3};
    begin_memory(1 << 14);
    GIVES(FIRSTLIGHT_NO_IMAGE, firstlight_store_picture(&processor, &batch, 0, &picture));
    GIVES(FIRSTLIGHT_NO_IMAGE, firstlight_start_batch(&processor, &batch));
    GIVES(FIRSTLIGHT_NO_IMAGE, firstlight_read_answer(&processor, &batch, 0, &result, NULL, NULL));
    GIVES(FIRSTLIGHT_OK, firstlight_load_image(&processor, image));
    GIVES(FIRSTLIGHT_BATCH, firstlight_store_picture(&processor, &batch, 3, &picture));
    GIVES(FIRSTLIGHT_BATCH, firstlight_read_answer(&processor, &batch, 3, &result, NULL, NULL));
    codes[63] = 24;
    GIVES(FIRSTLIGHT_PICTURE_CODE, firstlight_store_picture(&processor, &batch, 0, &picture));
    codes[63] = 0;
    batch.offset += 1;
    GIVES(FIRSTLIGHT_MEMORY_ALIGNMENT, firstlight_start_batch(&processor, &batch));
    batch.offset -= 1;
    batch.pictures = 0x80000000;
    GIVES(FIRSTLIGHT_MEMORY_SIZE, firstlight_store_picture(&processor, &batch, 0, &picture));
    GIVES(FIRSTLIGHT_MEMORY_SIZE, firstlight_start_batch(&processor, &batch));
    batch.pictures = 0;
    GIVES(FIRSTLIGHT_BATCH, firstlight_start_batch(&processor, &batch));
    for (uint32_t word = batch.offset / 4; word < 1 << 12; word++)
        CHECK(memory[word] == 0);
    CHECK(fake.batches == 0);
    /* To the last byte. */
    batch.pictures = 3;
    batch.offset = (1 << 14) - 3 * firstlight_batch_bytes(image);
    for (uint32_t index = 0; index < batch.pictures; index++)
        GIVES(FIRSTLIGHT_OK, firstlight_store_picture(&processor, &batch, index, &picture));
    GIVES(FIRSTLIGHT_OK, firstlight_read_answer(&processor, &batch, 2, &result, NULL, NULL));
    batch.offset += BEAT;
    GIVES(FIRSTLIGHT_MEMORY_SIZE, firstlight_start_batch(&processor, &batch));
}

TEST(a_batch_ends_as_a_run_does)
{
    static const struct { uint32_t error; enum firstlight_status status; } ends[] = {
        {ENDS_WELL, FIRSTLIGHT_OK},
        {FIRSTLIGHT__ERROR_CODE__MEMORY, FIRSTLIGHT_MEMORY},
        {FIRSTLIGHT__ERROR_CODE__CYCLES, FIRSTLIGHT_CYCLES},
        {NEVER_ENDS, FIRSTLIGHT_TIMEOUT},
        {ENDS_WELL, FIRSTLIGHT_OK},
    };
    struct firstlight_batch batch = {.offset = 1 << 13, .pictures = 2};
    begin_memory(1 << 14);
    GIVES(FIRSTLIGHT_OK, firstlight_load_image(&processor, image));
    for (uint32_t index = 0; index < sizeof ends / sizeof *ends; index++) {
        fake.run_error = ends[index].error;
        fake.registers.batch_done = index;
        GIVES(FIRSTLIGHT_OK, firstlight_start_batch(&processor, &batch));
        GIVES(ends[index].status, firstlight_wait(&processor));
        CHECK(fake.batches == index + 1 && firstlight_answered(&processor) == index);
        CHECK(processor.image == image && fake.registers.status == 0 && fake.registers.interrupt == 0);
    }
}

TEST(every_status_has_a_sentence_of_its_own)
{
#define LISTED(name, number, sentence) name,
    static const enum firstlight_status statuses[] = {FIRSTLIGHT_STATUSES(LISTED)};
#undef LISTED
    for (uint32_t one = 0; one < sizeof statuses / sizeof *statuses; one++) {
        const char *sentence = firstlight_message(statuses[one]);
        CHECK(strlen(sentence) > 10 && sentence[strlen(sentence) - 1] == '.');
        for (uint32_t other = 0; other < one; other++)
            CHECK(strcmp(sentence, firstlight_message(statuses[other])) != 0);
    }
    CHECK(strlen(firstlight_message((enum firstlight_status)500)) > 10);
}

static const struct { const char *name; void (*run)(void); } tests[] = {
#define T(name) {#name, name}
    T(opening_leaves_nothing_of_what_was_before),
    T(another_device_and_another_version_are_refused_and_left_alone),
    T(an_image_of_another_size_than_it_says_is_refused),
    T(another_file_and_another_version_of_the_format_are_refused),
    T(a_bit_that_differs_anywhere_is_found),
    T(a_section_that_leads_beyond_the_end_is_refused),
    T(an_image_for_another_processor_is_refused_and_the_processor_left_alone),
    T(a_network_that_fits_exactly_is_loaded),
    T(nothing_goes_without_an_image),
    T(an_image_says_what_it_is),
    T(an_image_that_the_processor_refuses_is_none),
    T(a_picture_that_the_network_cannot_read_is_refused),
    T(every_error_of_the_processor_is_named_and_forgiven),
    T(a_run_that_does_not_end_is_aborted_after_so_many_looks),
    T(a_driver_sleeps_between_two_looks),
    T(a_run_can_be_polled),
    T(a_run_whose_end_was_not_seen_does_not_end_the_next),
    T(the_result_has_every_register_in_its_place),
    T(budget_exit_rule_and_cycle_limit_are_written),
    T(a_policy_sets_the_budget_and_its_cycles_count),
    T(a_self_test_names_the_first_layer_that_differs),
    T(an_image_whose_pictures_stay_in_the_memory_is_refused),
    T(weights_in_a_memory_need_one),
    T(weights_that_stay_in_the_tiles_need_no_memory),
    T(a_memory_has_to_begin_at_a_beat),
    T(a_memory_has_to_have_room),
    T(what_no_command_can_load_is_refused),
    T(weights_beyond_all_addresses_and_beats_of_another_width_are_no_image),
    T(a_load_that_fails_or_never_ends_leaves_no_network),
    T(a_batch_takes_its_pictures_and_no_others),
    T(a_batch_ends_as_a_run_does),
    T(every_status_has_a_sentence_of_its_own),
#undef T
};

static void read_file(struct file *file, const char *name)
{
    FILE *opened = fopen(name, "rb");
    CHECK(opened);
    file->count = (uint32_t)fread(file->words, 4, IMAGE_WORDS, opened);
    fclose(opened);
}

/* Without a name, every test runs, and every status must have been provoked. */
int main(int count_of_words, char **words)
{
    const char *wanted = count_of_words > 3 ? words[3] : NULL;
    uint32_t runs = 0;
    read_file(&resident, words[1]);
    read_file(&streamed, words[2]);
    for (uint32_t index = 0; index < sizeof tests / sizeof *tests; index++)
        if (!wanted || !strcmp(wanted, tests[index].name)) {
            tests[index].run();
            runs++;
        }
    free(image);
    free(memory);
    CHECK(runs > 0);
    if (!wanted) {
#define SEEN(name, number, sentence) if (!provoked[name]) { fprintf(stderr, "never provoked: %s\n", #name); return 1; }
        FIRSTLIGHT_STATUSES(SEEN)
#undef SEEN
    }
    return 0;
}
