/* See firstlight_driver.h. */

#include "firstlight_driver.h"

#define READ(processor, register) firstlight_read((processor)->base, offsetof(firstlight_t, register))
#define WRITE(processor, register, value) firstlight_write((processor)->base, offsetof(firstlight_t, register), value)

/* A field of a register, from and to its place. */
#define FIELD(value, field) (((value) & field##_bm) >> field##_bp)
#define PLACE(value, field) ((uint32_t)(value) << field##_bp & field##_bm)

#define BIT(value, place, width) ((value) >> (place) & ((1u << (width)) - 1))

/* The image, as docstring and code of model/image.py have it. */
enum {
    IMAGE_MAGIC = 0x4D494C46, /* "FLIM", the F in the lowest byte */
    IMAGE_VERSION = 7,

    /* Words of the header. */
    MAGIC_WORD = 0,
    VERSION_WORD = 1,
    SIZE_WORD = 2,
    COLUMNS_WORD = 3,   /* laid out as capability_columns */
    NUMERICS_WORD = 4,  /* span [23:16], walkers [31:24] */
    NETWORK_WORD = 5,   /* laid out as network */
    EXIT_WORD = 6,      /* laid out as exit */
    THRESHOLD_WORD = 7,
    INPUT_WORD = 8,     /* channels [15:0], window [23:16], tau [27:24], nearest [28] */
    SIDES_WORD = 9,     /* height [15:0], width [31:16] */
    UNFOLD_WORD = 10,   /* kernel [7:0], stride [15:8], padding [23:16], bytes of a memory's beat [31:24] */
    NAME_WORD = 11,     /* UTF-8, filled up with zeros */
    HEADER_WORDS = 19,

    SECTION_HEAD_WORDS = 3, /* target [7:0] and granules [15:8], address, entries */
    TARGET_DESCRIPTORS = 0,
    TARGET_SPIKES = 3,
    TARGET_MEMORY = 4,

    /* Words of a descriptor. */
    DESCRIPTOR_FLAGS_WORD = 0,    /* streamed [21], way of a move [26:25], of the picture [28] */
    DESCRIPTOR_INPUT_WORD = 2,    /* channels [12:0], spike words of a pixel [21:13] */
    DESCRIPTOR_WEIGHTS_WORD = 15, /* beat of the memory, if streamed or moved */
    DESCRIPTOR_WORDS = 16,

    /* Words of an answer in the memory, as model/answer.py has them; logits and signatures follow. */
    ANSWER_WORDS = 9, /* result, then the counters, in the order of their registers */

    WINDOW_MAX = 31, /* slots */
    CODE_WIDTH = 5,
    SILENT = 31,
    LANES = 16, /* codes in a spike word */
    GRANULE_WIDTH = 32,
};

/* The picture as the first layer reads it. */
struct map {
    uint32_t channels, height, width;
    uint32_t kernel, stride, padding; /* how it is unfolded; 1, 1, 0 if it is not */
    uint32_t words;                   /* spike words of a pixel */
    uint32_t lanes, granules;         /* of a spike word: codes that the picture brings, and what they fill */
};

/* Identity and size */

const char *firstlight_message(enum firstlight_status status)
{
#define SENTENCE(name, number, sentence) case name: return sentence;
    switch (status) { FIRSTLIGHT_STATUSES(SENTENCE) }
#undef SENTENCE
    return "This is no status of the driver.";
}

/* Bring the processor back to where it waits for a section or a start, with no interrupt. */
static void quiet(struct firstlight *processor)
{
    WRITE(processor, control, FIRSTLIGHT__CONTROL__ABORT_bm);
    WRITE(processor, interrupt, FIRSTLIGHT__INTERRUPT__DONE_bm | FIRSTLIGHT__INTERRUPT__ERROR_bm);
}

/* Give a command; nothing is left of one whose end nobody has looked at. */
static void begin(struct firstlight *processor, uint32_t command)
{
    WRITE(processor, interrupt, FIRSTLIGHT__INTERRUPT__DONE_bm);
    WRITE(processor, control, command);
}

/* What the processor has to report. */
static enum firstlight_status report(struct firstlight *processor)
{
    uint32_t causes = READ(processor, interrupt);
    if (causes & FIRSTLIGHT__INTERRUPT__ERROR_bm) {
        uint32_t error = READ(processor, error), code = FIELD(error, FIRSTLIGHT__ERROR__CODE);
        processor->error_layer = FIELD(error, FIRSTLIGHT__ERROR__LAYER);
        processor->error_detail = READ(processor, error_detail);
        quiet(processor);
        return code && code <= FIRSTLIGHT_MEMORY ? (enum firstlight_status)code : FIRSTLIGHT_UNKNOWN_ERROR;
    }
    if (causes & FIRSTLIGHT__INTERRUPT__DONE_bm) {
        WRITE(processor, interrupt, FIRSTLIGHT__INTERRUPT__DONE_bm);
        return FIRSTLIGHT_OK;
    }
    return FIRSTLIGHT_RUNNING;
}

/* Whether it took all that was written to the load window. */
static enum firstlight_status loaded(struct firstlight *processor)
{
    enum firstlight_status status = report(processor);
    return status == FIRSTLIGHT_RUNNING ? FIRSTLIGHT_OK : status;
}

enum firstlight_status firstlight_open(struct firstlight *processor)
{
    processor->image = NULL;
    processor->error_layer = processor->error_detail = 0;
    if (READ(processor, id) != FIRSTLIGHT__ID__VALUE_reset)
        return FIRSTLIGHT_NOT_FOUND;
    if (FIELD(READ(processor, version), FIRSTLIGHT__VERSION__MAJOR) != FIRSTLIGHT__VERSION__MAJOR_reset)
        return FIRSTLIGHT_OTHER_VERSION;
    quiet(processor);
    WRITE(processor, interrupt_enable,
          FIRSTLIGHT__INTERRUPT_ENABLE__DONE_bm | FIRSTLIGHT__INTERRUPT_ENABLE__ERROR_bm);
    return FIRSTLIGHT_OK;
}

/* Images */

/* CRC-32 of IEEE 802.3, four bits at a time: a table for bytes would take a kilobyte. */
static uint32_t crc32(const uint32_t *words, uint32_t count)
{
    static const uint32_t of_nibble[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
        0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };
    uint32_t crc = ~0u;
    for (uint32_t index = 0; index < count; index++) {
        crc ^= words[index];
        for (int nibble = 0; nibble < 8; nibble++)
            crc = crc >> 4 ^ of_nibble[crc & 15];
    }
    return ~crc;
}

/* Bytes of a beat of the memory bus; 0 without. */
static uint32_t beat_bytes(const uint32_t *image)
{
    return BIT(image[UNFOLD_WORD], 24, 8);
}

/* Bytes that so many words take in whole beats; none without a memory bus. */
static uint64_t whole_beats(const uint32_t *image, uint32_t words)
{
    uint64_t beat = beat_bytes(image);
    return beat ? (4 * (uint64_t)words + beat - 1) & ~(beat - 1) : 0;
}

/* The sections lie between the header and the CRC. */
#define FOR_SECTIONS(section, image) \
    for (const uint32_t *section = (image) + HEADER_WORDS; section < (image) + (image)[SIZE_WORD] - 1; \
         section += section_words(section))

static uint32_t section_target(const uint32_t *section)
{
    return BIT(section[0], 0, 8);
}

static uint32_t section_words(const uint32_t *section)
{
    return SECTION_HEAD_WORDS + (section[0] >> 8) * section[2];
}

/* The first section that fills target; NULL if there is none. */
static const uint32_t *find(const uint32_t *image, uint32_t target)
{
    FOR_SECTIONS(section, image)
        if (section_target(section) == target)
            return section;
    return NULL;
}

/* Words that the processor loads. */
static uint32_t load_words(const uint32_t *image)
{
    uint32_t words = 0;
    FOR_SECTIONS(section, image)
        if (section_target(section) != TARGET_MEMORY)
            words += section_words(section);
    return words;
}

/* Bytes of the memory up to the end of what comes from there, or goes there, during a run. */
static uint64_t weight_bytes(const uint32_t *image)
{
    uint64_t bytes = 0;
    FOR_SECTIONS(section, image) {
        uint64_t end = ((uint64_t)section[1] + section[2]) * beat_bytes(image);
        if (section_target(section) == TARGET_MEMORY && end > bytes)
            bytes = end;
    }
    return bytes;
}

/* Bytes of the memory that an image takes: its weights, then what the processor loads. */
static uint64_t stored_bytes(const uint32_t *image)
{
    return weight_bytes(image) + whole_beats(image, load_words(image));
}

/* Whether no section leads beyond the end of the image or of the memory's addresses. */
static int sections_fit(const uint32_t *image)
{
    const uint32_t *section = image + HEADER_WORDS, *end = image + image[SIZE_WORD] - 1;
    while (section != end) {
        if (end - section < SECTION_HEAD_WORDS)
            return 0;
        uint32_t granules = section[0] >> 8, count = section[2];
        if (granules == 0 || count > (uint32_t)(end - section - SECTION_HEAD_WORDS) / granules)
            return 0;
        if (section_target(section) == TARGET_MEMORY && 4 * granules != beat_bytes(image))
            return 0;
        section += section_words(section);
    }
    return stored_bytes(image) <= UINT32_MAX;
}

enum firstlight_status firstlight_check_image(const uint32_t *image, size_t bytes)
{
    if (bytes < 4 * (HEADER_WORDS + 1))
        return FIRSTLIGHT_IMAGE_SIZE;
    if (image[MAGIC_WORD] != IMAGE_MAGIC)
        return FIRSTLIGHT_IMAGE_MAGIC;
    if (image[VERSION_WORD] != IMAGE_VERSION)
        return FIRSTLIGHT_IMAGE_VERSION;
    if (bytes % 4 || image[SIZE_WORD] != bytes / 4)
        return FIRSTLIGHT_IMAGE_SIZE;
    uint32_t last = image[SIZE_WORD] - 1;
    if (crc32(image, last) != image[last])
        return FIRSTLIGHT_IMAGE_CRC;
    return sections_fit(image) && find(image, TARGET_DESCRIPTORS) ? FIRSTLIGHT_OK : FIRSTLIGHT_IMAGE_SECTION;
}

uint32_t firstlight_layers(const uint32_t *image)
{
    return FIELD(image[NETWORK_WORD], FIRSTLIGHT__NETWORK__LAYERS);
}

uint32_t firstlight_timesteps(const uint32_t *image)
{
    return FIELD(image[NETWORK_WORD], FIRSTLIGHT__NETWORK__TIMESTEPS);
}

uint32_t firstlight_classes(const uint32_t *image)
{
    return FIELD(image[NETWORK_WORD], FIRSTLIGHT__NETWORK__CLASSES);
}

void firstlight_name(const uint32_t *image, char name[FIRSTLIGHT_NAME_SIZE])
{
    for (uint32_t index = 0; index < FIRSTLIGHT_NAME_SIZE - 1; index++)
        name[index] = (char)BIT(image[NAME_WORD + index / 4], index % 4 * 8, 8);
    name[FIRSTLIGHT_NAME_SIZE - 1] = 0;
}

/* Bytes of a beat of the processor's memory bus; 0 without. */
static uint32_t bus_bytes(const struct firstlight *processor)
{
    return FIELD(READ(processor, capability_memory), FIRSTLIGHT__CAPABILITY_MEMORY__WIDTH) / 8;
}

/* Whether pictures lie in the memory during a run, as the spike store has no room for them. */
static int picture_stays(const uint32_t *image)
{
    const uint32_t *section = find(image, TARGET_DESCRIPTORS);
    for (uint32_t layer = 0; section && layer < firstlight_layers(image); layer++)
        if (BIT(section[SECTION_HEAD_WORDS + layer * DESCRIPTOR_WORDS + DESCRIPTOR_FLAGS_WORD], 28, 1))
            return 1;
    return 0;
}

/* Whether this is the processor the image was compiled for. */
static enum firstlight_status matches(const struct firstlight *processor, const uint32_t *image)
{
    uint32_t limits = READ(processor, capability_limits);
    if (image[COLUMNS_WORD] != READ(processor, capability_columns))
        return FIRSTLIGHT_OTHER_COLUMNS;
    if (BIT(image[NUMERICS_WORD], 24, 8) !=
        FIELD(READ(processor, capability_tiles), FIRSTLIGHT__CAPABILITY_TILES__WALKERS))
        return FIRSTLIGHT_OTHER_WALKERS;
    if (BIT(image[NUMERICS_WORD], 16, 8) !=
        FIELD(READ(processor, capability_spikes), FIRSTLIGHT__CAPABILITY_SPIKES__SPAN))
        return FIRSTLIGHT_OTHER_SPAN;
    if (beat_bytes(image) != bus_bytes(processor))
        return FIRSTLIGHT_OTHER_BUS;
    if (firstlight_layers(image) > FIELD(limits, FIRSTLIGHT__CAPABILITY_LIMITS__LAYERS) ||
        firstlight_timesteps(image) > FIELD(limits, FIRSTLIGHT__CAPABILITY_LIMITS__TIMESTEPS) ||
        firstlight_classes(image) > FIELD(limits, FIRSTLIGHT__CAPABILITY_LIMITS__CLASSES))
        return FIRSTLIGHT_TOO_LARGE;
    return picture_stays(image) ? FIRSTLIGHT_PICTURE_STAYS : FIRSTLIGHT_OK;
}

/* Words on their way to the loader: into the memory, or through the load window. */
struct words {
    const struct firstlight *processor;
    volatile uint32_t *memory; /* NULL for the window */
};

static void put(struct words *words, uint32_t word)
{
    if (words->memory)
        *words->memory++ = word;
    else
        WRITE(words->processor, load, word);
}

/* A word of a section, where the weights in the memory lie so many beats further up than the image says. */
static uint32_t moved(const uint32_t *section, uint32_t index, uint32_t beats)
{
    if (section_target(section) != TARGET_DESCRIPTORS || index < SECTION_HEAD_WORDS ||
        (index - SECTION_HEAD_WORDS) % DESCRIPTOR_WORDS != DESCRIPTOR_WEIGHTS_WORD)
        return section[index];
    const uint32_t *descriptor = section + index - DESCRIPTOR_WEIGHTS_WORD;
    uint32_t flags = descriptor[DESCRIPTOR_FLAGS_WORD];
    return section[index] + (BIT(flags, 21, 1) || (BIT(flags, 25, 2) && !BIT(flags, 28, 1)) ? beats : 0);
}

/* What the processor loads: the sections as they lie in the image, but those of the memory. */
static void put_sections(struct words *words, const uint32_t *image, uint32_t beats)
{
    FOR_SECTIONS(section, image)
        if (section_target(section) != TARGET_MEMORY)
            for (uint32_t index = 0; index < section_words(section); index++)
                put(words, moved(section, index, beats));
}

/* The network that the processor is about to have. */
static void configure(struct firstlight *processor, const uint32_t *image)
{
    processor->image = NULL;
    WRITE(processor, network, image[NETWORK_WORD]);
    WRITE(processor, exit, image[EXIT_WORD]);
    WRITE(processor, exit_threshold, image[THRESHOLD_WORD]);
}

enum firstlight_status firstlight_load_image(struct firstlight *processor, const uint32_t *image)
{
    enum firstlight_status status = matches(processor, image);
    if (status)
        return status;
    if (weight_bytes(image)) {
        status = firstlight_store_image(processor, image, 0);
        return status ? status : firstlight_load_stored(processor, image, 0);
    }
    struct words words = {.processor = processor};
    configure(processor, image);
    put_sections(&words, image, 0);
    status = loaded(processor);
    if (!status)
        processor->image = image;
    return status;
}

/* Images in the memory: weights that come during a run, then what the processor loads before. */

/* Whether the memory has room for so many bytes at an offset. */
static enum firstlight_status room(const struct firstlight *processor, uint32_t offset, uint64_t bytes)
{
    const struct firstlight_memory *memory = &processor->memory;
    uint32_t beat = bus_bytes(processor);
    if (!memory->words || !beat)
        return FIRSTLIGHT_NEEDS_MEMORY;
    if ((uintptr_t)memory->words % sizeof *memory->words || memory->address % beat || offset % beat)
        return FIRSTLIGHT_MEMORY_ALIGNMENT;
    /* The bus has addresses of 32 bits. */
    if (offset + bytes > memory->bytes || memory->address + (offset + bytes) - 1 > UINT32_MAX)
        return FIRSTLIGHT_MEMORY_SIZE;
    return FIRSTLIGHT_OK;
}

uint32_t firstlight_stored_bytes(const uint32_t *image)
{
    return (uint32_t)stored_bytes(image);
}

/* Whether an image may lie at an offset of the memory, and be loaded from there. */
static enum firstlight_status storable(const struct firstlight *processor, const uint32_t *image, uint32_t offset)
{
    enum firstlight_status status = matches(processor, image);
    if (!status && load_words(image) > FIRSTLIGHT__SOURCE_WORDS__VALUE_bm)
        status = FIRSTLIGHT_TOO_LARGE;
    return status ? status : room(processor, offset, stored_bytes(image));
}

enum firstlight_status firstlight_store_image(const struct firstlight *processor, const uint32_t *image,
                                              uint32_t offset)
{
    enum firstlight_status status = storable(processor, image, offset);
    if (status)
        return status;
    volatile uint32_t *begin = processor->memory.words + offset / 4;
    FOR_SECTIONS(section, image)
        if (section_target(section) == TARGET_MEMORY) {
            volatile uint32_t *word = begin + section[1] * (beat_bytes(image) / 4);
            for (uint32_t index = SECTION_HEAD_WORDS; index < section_words(section); index++)
                *word++ = section[index];
        }
    struct words words = {.memory = begin + weight_bytes(image) / 4};
    put_sections(&words, image, (processor->memory.address + offset) / beat_bytes(image));
    return FIRSTLIGHT_OK;
}

enum firstlight_status firstlight_load_stored(struct firstlight *processor, const uint32_t *image, uint32_t offset)
{
    enum firstlight_status status = storable(processor, image, offset);
    if (status)
        return status;
    configure(processor, image);
    WRITE(processor, source_address, processor->memory.address + offset + (uint32_t)weight_bytes(image));
    WRITE(processor, source_words, load_words(image));
    begin(processor, FIRSTLIGHT__CONTROL__LOAD_bm);
    status = firstlight_wait(processor);
    if (!status)
        processor->image = image;
    return status;
}

/* Pictures */

static struct map input(const uint32_t *image)
{
    uint32_t unfold = image[UNFOLD_WORD];
    struct map map = {
        .channels = BIT(image[INPUT_WORD], 0, 16),
        .height = BIT(image[SIDES_WORD], 0, 16),
        .width = BIT(image[SIDES_WORD], 16, 16),
        .kernel = BIT(unfold, 0, 8),
        .stride = BIT(unfold, 8, 8),
        .padding = BIT(unfold, 16, 8),
        .words = BIT(find(image, TARGET_DESCRIPTORS)[SECTION_HEAD_WORDS + DESCRIPTOR_INPUT_WORD], 13, 9),
    };
    if (map.kernel == 0)
        map.kernel = map.stride = 1;
    map.lanes = map.channels < LANES ? map.channels : LANES;
    map.granules = (map.lanes * CODE_WIDTH + GRANULE_WIDTH - 1) / GRANULE_WIDTH;
    return map;
}

/* Pixels that a kernel visits along a side. */
static uint32_t visited(const struct map *map, uint32_t side)
{
    uint32_t padded = side + 2 * map->padding;
    return padded < map->kernel ? 0 : (padded - map->kernel) / map->stride + 1;
}

void firstlight_encode(const uint32_t *image, const uint8_t *pixels, size_t count, uint8_t white, uint8_t *codes)
{
    /* 2^(-n/8), 24 fraction bits: thresholds are half a slot apart at most, and a slot is a quarter octave at least. */
    static const uint32_t eighths[8] = {
        0x1000000, 0xEAC0C7, 0xD744FD, 0xC5672A, 0xB504F3, 0xA5FED7, 0x9837F0, 0x8B95C2,
    };
    uint32_t window = BIT(image[INPUT_WORD], 16, 8), tau = BIT(image[INPUT_WORD], 24, 4);
    uint32_t nearest = BIT(image[INPUT_WORD], 28, 1), thresholds[WINDOW_MAX];
    for (uint32_t slot = 0; slot < window; slot++) {
        uint32_t down = (2 * slot + nearest) * (4 / tau);
        thresholds[slot] = white * eighths[down % 8] >> down / 8;
        if (thresholds[slot] == 0)
            thresholds[slot] = 1; /* black reaches none */
    }
    for (size_t index = 0; index < count; index++) {
        uint32_t level = (uint32_t)pixels[index] << 24, slot = window;
        while (slot && level >= thresholds[slot - 1])
            slot--;
        codes[index] = (uint8_t)(slot == window ? SILENT : slot);
    }
}

/* Codes on their way into 32-bit granules, the first in the lowest bits. */
struct packer {
    struct words *words;
    uint32_t granule, filled;
};

static void pack(struct packer *packer, uint32_t code)
{
    packer->granule |= code << packer->filled;
    packer->filled += CODE_WIDTH;
    if (packer->filled >= GRANULE_WIDTH) {
        put(packer->words, packer->granule);
        packer->filled -= GRANULE_WIDTH;
        packer->granule = code >> (CODE_WIDTH - packer->filled);
    }
}

/* An entry of the spike store ends: bits left over are ones. */
static void end_entry(struct packer *packer)
{
    if (packer->filled)
        put(packer->words, packer->granule | ~0u << packer->filled);
    packer->granule = packer->filled = 0;
}

/* One pixel of the map: the taps of every channel of the picture side by side, then silence. */
static void pack_pixel(struct packer *packer, const struct map *map, const struct firstlight_picture *picture,
                       uint32_t y, uint32_t x)
{
    const uint8_t *channel = picture->codes;
    uint32_t tap_y = 0, tap_x = 0;
    for (uint32_t index = 0; index < map->words * map->lanes; index++) {
        uint32_t code = SILENT;
        if (index < map->channels) {
            /* Above and left of the picture, these wrap to numbers beyond every side. */
            uint32_t row = y * map->stride + tap_y - map->padding, column = x * map->stride + tap_x - map->padding;
            if (row < picture->height && column < picture->width)
                code = channel[row * picture->width + column];
            if (++tap_x == map->kernel) {
                tap_x = 0;
                if (++tap_y == map->kernel) {
                    tap_y = 0;
                    channel += picture->height * picture->width;
                }
            }
        }
        pack(packer, code);
        if (index % map->lanes == map->lanes - 1)
            end_entry(packer);
    }
}

/* The section that fills the spike store with a picture, which is looked at first. */
static enum firstlight_status put_picture(struct words *words, const uint32_t *image,
                                          const struct firstlight_picture *picture)
{
    struct map map = input(image);
    if (visited(&map, picture->height) != map.height || visited(&map, picture->width) != map.width)
        return FIRSTLIGHT_PICTURE_SIZE;
    uint32_t window = BIT(image[INPUT_WORD], 16, 8);
    uint32_t codes = map.channels / (map.kernel * map.kernel) * picture->height * picture->width;
    for (uint32_t index = 0; index < codes; index++)
        if (picture->codes[index] >= window && picture->codes[index] != SILENT)
            return FIRSTLIGHT_PICTURE_CODE;

    put(words, TARGET_SPIKES | map.granules << 8);
    put(words, 0);
    put(words, map.height * map.width * map.words);
    struct packer packer = {.words = words};
    for (uint32_t y = 0; y < map.height; y++)
        for (uint32_t x = 0; x < map.width; x++)
            pack_pixel(&packer, &map, picture, y, x);
    return FIRSTLIGHT_OK;
}

enum firstlight_status firstlight_load_picture(struct firstlight *processor, const struct firstlight_picture *picture)
{
    if (!processor->image)
        return FIRSTLIGHT_NO_IMAGE;
    struct words words = {.processor = processor};
    enum firstlight_status status = put_picture(&words, processor->image, picture);
    return status ? status : loaded(processor);
}

/* Runs */

enum firstlight_status firstlight_set_budget(struct firstlight *processor, uint32_t timesteps)
{
    if (!processor->image)
        return FIRSTLIGHT_NO_IMAGE;
    if (timesteps < 1 || timesteps > firstlight_timesteps(processor->image))
        return FIRSTLIGHT_BUDGET;
    WRITE(processor, exit, PLACE(FIRSTLIGHT__EXIT_RULE__BUDGET, FIRSTLIGHT__EXIT__RULE));
    WRITE(processor, network,
          PLACE(firstlight_layers(processor->image), FIRSTLIGHT__NETWORK__LAYERS) |
          PLACE(timesteps, FIRSTLIGHT__NETWORK__TIMESTEPS) |
          PLACE(firstlight_classes(processor->image), FIRSTLIGHT__NETWORK__CLASSES));
    return FIRSTLIGHT_OK;
}

enum firstlight_status firstlight_set_exit(struct firstlight *processor, uint32_t rule, uint32_t threshold)
{
    if (!processor->image)
        return FIRSTLIGHT_NO_IMAGE;
    /* The shift belongs to the readout, not to the rule. */
    WRITE(processor, exit,
          (processor->image[EXIT_WORD] & FIRSTLIGHT__EXIT__SHIFT_bm) | PLACE(rule, FIRSTLIGHT__EXIT__RULE));
    WRITE(processor, exit_threshold, threshold);
    WRITE(processor, network, processor->image[NETWORK_WORD]);
    return FIRSTLIGHT_OK;
}

void firstlight_set_cycle_limit(struct firstlight *processor, uint32_t cycles)
{
    WRITE(processor, cycle_limit, cycles);
}

enum firstlight_status firstlight_start(struct firstlight *processor)
{
    if (!processor->image)
        return FIRSTLIGHT_NO_IMAGE;
    begin(processor, FIRSTLIGHT__CONTROL__START_bm);
    return FIRSTLIGHT_OK;
}

enum firstlight_status firstlight_poll(struct firstlight *processor)
{
    return report(processor);
}

enum firstlight_status firstlight_wait(struct firstlight *processor)
{
    uint32_t looks = 0;
    do {
        enum firstlight_status status = report(processor);
        if (status != FIRSTLIGHT_RUNNING)
            return status;
        if (processor->sleep)
            processor->sleep(processor->sleeper);
    } while (++looks != processor->poll_limit);
    quiet(processor);
    return FIRSTLIGHT_TIMEOUT;
}

/* Results */

/* What an answer begins with. */
static void unpack(const uint32_t words[ANSWER_WORDS], struct firstlight_result *result)
{
    result->class_index = FIELD(words[0], FIRSTLIGHT__RESULT__CLASS_INDEX);
    result->timestep = FIELD(words[0], FIRSTLIGHT__RESULT__TIMESTEP);
    result->cycles = words[1];
    result->busy_cycles = words[2];
    result->empty_cycles = words[3];
    result->fire_cycles = words[4];
    result->events = words[5];
    result->synaptic_operations = words[6];
    result->spikes = words[7];
    result->neurons = words[8];
}

void firstlight_read_result(const struct firstlight *processor, struct firstlight_result *result)
{
    const uint32_t words[ANSWER_WORDS] = {
        READ(processor, result), READ(processor, cycles), READ(processor, busy_cycles),
        READ(processor, empty_cycles), READ(processor, fire_cycles), READ(processor, events),
        READ(processor, synaptic_operations), READ(processor, spikes), READ(processor, neurons),
    };
    unpack(words, result);
}

void firstlight_read_logits(const struct firstlight *processor, int32_t *logits, uint32_t count)
{
    for (uint32_t index = 0; index < count; index++)
        logits[index] = (int32_t)firstlight_read(processor->base, offsetof(firstlight_t, logits) + 4 * index);
}

void firstlight_read_signatures(const struct firstlight *processor, uint32_t *signatures, uint32_t count)
{
    for (uint32_t index = 0; index < count; index++)
        signatures[index] = firstlight_read(processor->base, offsetof(firstlight_t, signatures) + 4 * index);
}

/* Batches: pictures in the memory, and their answers behind them */

static uint32_t picture_words(const uint32_t *image)
{
    struct map map = input(image);
    return SECTION_HEAD_WORDS + map.height * map.width * map.words * map.granules;
}

/* Bytes from one picture to the next. */
static uint32_t picture_bytes(const uint32_t *image)
{
    return (uint32_t)whole_beats(image, picture_words(image));
}

static uint32_t answer_bytes(const uint32_t *image)
{
    return (uint32_t)whole_beats(image, ANSWER_WORDS + firstlight_classes(image) + firstlight_layers(image));
}

uint32_t firstlight_batch_bytes(const uint32_t *image)
{
    return picture_bytes(image) + answer_bytes(image);
}

/* Whether the memory has room for a batch with a picture of this number. */
static enum firstlight_status has(const struct firstlight *processor, const struct firstlight_batch *batch,
                                  uint32_t index)
{
    if (!processor->image)
        return FIRSTLIGHT_NO_IMAGE;
    if (index >= batch->pictures)
        return FIRSTLIGHT_BATCH;
    return room(processor, batch->offset, (uint64_t)batch->pictures * firstlight_batch_bytes(processor->image));
}

enum firstlight_status firstlight_store_picture(const struct firstlight *processor,
                                                const struct firstlight_batch *batch, uint32_t index,
                                                const struct firstlight_picture *picture)
{
    enum firstlight_status status = has(processor, batch, index);
    if (status)
        return status;
    uint32_t offset = batch->offset + index * picture_bytes(processor->image);
    struct words words = {.memory = processor->memory.words + offset / 4};
    return put_picture(&words, processor->image, picture);
}

enum firstlight_status firstlight_start_batch(struct firstlight *processor, const struct firstlight_batch *batch)
{
    enum firstlight_status status = has(processor, batch, 0);
    if (status)
        return status;
    uint32_t first = processor->memory.address + batch->offset, distance = picture_bytes(processor->image);
    WRITE(processor, source_address, first);
    WRITE(processor, source_words, picture_words(processor->image));
    WRITE(processor, batch_pictures, batch->pictures);
    WRITE(processor, batch_distance, distance);
    WRITE(processor, batch_answers, first + batch->pictures * distance);
    begin(processor, FIRSTLIGHT__CONTROL__BATCH_bm);
    return FIRSTLIGHT_OK;
}

uint32_t firstlight_answered(const struct firstlight *processor)
{
    return READ(processor, batch_done);
}

enum firstlight_status firstlight_read_answer(const struct firstlight *processor, const struct firstlight_batch *batch,
                                              uint32_t index, struct firstlight_result *result, int32_t *logits,
                                              uint32_t *signatures)
{
    enum firstlight_status status = has(processor, batch, index);
    if (status)
        return status;
    const uint32_t *image = processor->image;
    uint32_t offset = batch->offset + batch->pictures * picture_bytes(image) + index * answer_bytes(image);
    const volatile uint32_t *answer = processor->memory.words + offset / 4;
    uint32_t words[ANSWER_WORDS];
    for (uint32_t word = 0; word < ANSWER_WORDS; word++)
        words[word] = *answer++;
    unpack(words, result);
    for (uint32_t each = 0; each < firstlight_classes(image); each++, answer++)
        if (logits)
            logits[each] = (int32_t)*answer;
    for (uint32_t layer = 0; layer < firstlight_layers(image); layer++, answer++)
        if (signatures)
            signatures[layer] = *answer;
    return FIRSTLIGHT_OK;
}

/* All in one */

enum firstlight_status firstlight_classify(struct firstlight *processor, const struct firstlight_picture *picture,
                                           struct firstlight_result *result)
{
    enum firstlight_status status = firstlight_load_picture(processor, picture);
    if (!status)
        status = firstlight_start(processor);
    if (!status)
        status = firstlight_wait(processor);
    if (!status)
        firstlight_read_result(processor, result);
    return status;
}

enum firstlight_status firstlight_classify_by_policy(
    struct firstlight *processor, const uint32_t *policy, const struct firstlight_picture *policy_picture,
    const uint32_t *network, const struct firstlight_picture *picture, struct firstlight_result *result)
{
    struct firstlight_result spent;
    enum firstlight_status status = firstlight_load_image(processor, policy);
    if (!status)
        status = firstlight_classify(processor, policy_picture, &spent);
    if (!status)
        status = firstlight_load_image(processor, network);
    if (!status)
        status = firstlight_set_budget(processor, spent.class_index + 1);
    if (!status)
        status = firstlight_classify(processor, picture, result);
    if (status)
        return status;
    result->cycles += spent.cycles;
    result->busy_cycles += spent.busy_cycles;
    result->empty_cycles += spent.empty_cycles;
    result->fire_cycles += spent.fire_cycles;
    result->events += spent.events;
    result->synaptic_operations += spent.synaptic_operations;
    result->spikes += spent.spikes;
    result->neurons += spent.neurons;
    return FIRSTLIGHT_OK;
}

enum firstlight_status firstlight_self_test(struct firstlight *processor, const struct firstlight_picture *picture,
                                            const uint32_t *signatures)
{
    struct firstlight_result result;
    enum firstlight_status status = firstlight_classify(processor, picture, &result);
    if (status)
        return status;
    for (uint32_t layer = 0; layer < firstlight_layers(processor->image); layer++)
        if (firstlight_read(processor->base, offsetof(firstlight_t, signatures) + 4 * layer) != signatures[layer]) {
            processor->error_layer = layer;
            return FIRSTLIGHT_SELF_TEST;
        }
    return FIRSTLIGHT_OK;
}
