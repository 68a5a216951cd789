/* The driver against a fake processor: ./test_driver IMAGE [TEST]; without a test, all of them.
 *
 * IMAGE is digits-lif, compiled for the preset tiny; the fake is such a processor.
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

enum { STATUSES = 512, IMAGE_WORDS = 1 << 14, LAYERS = 4, TIMESTEPS = 4, CLASSES = 10 };

static bool provoked[STATUSES];
static uint32_t original[IMAGE_WORDS], *image, image_words;
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

static void begin(void)
{
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
    begin_loaded();
    image[10] |= 16u << 24;
    sign(image, image_words);
    GIVES(FIRSTLIGHT_OK, firstlight_check_image(image, 4 * image_words));
    GIVES(FIRSTLIGHT_NEEDS_MEMORY, firstlight_load_image(&processor, image));
    CHECK(fake.loaded_words == 0);
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
    T(every_status_has_a_sentence_of_its_own),
#undef T
};

/* Without a name, every test runs, and every status must have been provoked. */
int main(int count_of_words, char **words)
{
    const char *wanted = count_of_words > 2 ? words[2] : NULL;
    uint32_t runs = 0;
    FILE *file = fopen(words[1], "rb");
    CHECK(file);
    image_words = (uint32_t)fread(original, 4, IMAGE_WORDS, file);
    fclose(file);
    for (uint32_t index = 0; index < sizeof tests / sizeof *tests; index++)
        if (!wanted || !strcmp(wanted, tests[index].name)) {
            tests[index].run();
            runs++;
        }
    free(image);
    CHECK(runs > 0);
    if (!wanted) {
#define SEEN(name, number, sentence) if (!provoked[name]) { fprintf(stderr, "never provoked: %s\n", #name); return 1; }
        FIRSTLIGHT_STATUSES(SEEN)
#undef SEEN
    }
    return 0;
}
