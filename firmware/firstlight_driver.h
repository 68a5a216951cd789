/* Driver of a Firstlight processor.
 *
 * Freestanding C99: no library, no allocation, no variables of its own. Everything a function needs to remember is in
 * the struct firstlight it is given, so there can be several processors. None of it is safe against a call from an
 * interrupt handler in the midst of another.
 *
 *     struct firstlight processor = {.base = 0x20000000, .poll_limit = 1000000};
 *     struct firstlight_picture picture = {.codes = codes, .height = 8, .width = 8};
 *     struct firstlight_result result;
 *
 *     enum firstlight_status status = firstlight_open(&processor);
 *     if (!status) status = firstlight_check_image(image, image_bytes);
 *     if (!status) status = firstlight_load_image(&processor, image);
 *     if (!status) status = firstlight_classify(&processor, &picture, &result);
 *     if (status) puts(firstlight_message(status));
 *
 * Every function that can fail gives a status, FIRSTLIGHT_OK being zero. After an error the processor is idle, its
 * interrupt is cleared, and the next picture can be run, unless it was the image that could not be loaded.
 */
#ifndef FIRSTLIGHT_DRIVER_H
#define FIRSTLIGHT_DRIVER_H

#include <stddef.h>
#include <stdint.h>

#include "firstlight.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What can become of a call: name, number, sentence.
 *
 * The processor's own errors have its numbers and its words, from the register map; those of the driver follow.
 */
#define FIRSTLIGHT_STATUSES(STATUS) \
    STATUS(FIRSTLIGHT_OK, FIRSTLIGHT__ERROR_CODE__NONE, FIRSTLIGHT__ERROR_CODE__NONE_desc) \
    STATUS(FIRSTLIGHT_REGISTER, FIRSTLIGHT__ERROR_CODE__REGISTER, FIRSTLIGHT__ERROR_CODE__REGISTER_desc) \
    STATUS(FIRSTLIGHT_LOAD, FIRSTLIGHT__ERROR_CODE__LOAD, FIRSTLIGHT__ERROR_CODE__LOAD_desc) \
    STATUS(FIRSTLIGHT_BUSY, FIRSTLIGHT__ERROR_CODE__BUSY, FIRSTLIGHT__ERROR_CODE__BUSY_desc) \
    STATUS(FIRSTLIGHT_SETTINGS, FIRSTLIGHT__ERROR_CODE__SETTINGS, FIRSTLIGHT__ERROR_CODE__SETTINGS_desc) \
    STATUS(FIRSTLIGHT_DESCRIPTOR, FIRSTLIGHT__ERROR_CODE__DESCRIPTOR, FIRSTLIGHT__ERROR_CODE__DESCRIPTOR_desc) \
    STATUS(FIRSTLIGHT_ADDRESS, FIRSTLIGHT__ERROR_CODE__ADDRESS, FIRSTLIGHT__ERROR_CODE__ADDRESS_desc) \
    STATUS(FIRSTLIGHT_CYCLES, FIRSTLIGHT__ERROR_CODE__CYCLES, FIRSTLIGHT__ERROR_CODE__CYCLES_desc) \
    STATUS(FIRSTLIGHT_ABORTED, FIRSTLIGHT__ERROR_CODE__ABORTED, FIRSTLIGHT__ERROR_CODE__ABORTED_desc) \
    STATUS(FIRSTLIGHT_MEMORY, FIRSTLIGHT__ERROR_CODE__MEMORY, FIRSTLIGHT__ERROR_CODE__MEMORY_desc) \
    STATUS(FIRSTLIGHT_UNKNOWN_ERROR, 256, "The processor reports an error that this driver does not know.") \
    STATUS(FIRSTLIGHT_RUNNING, 257, "The run, load or batch has not ended yet.") \
    STATUS(FIRSTLIGHT_TIMEOUT, 258, "What was begun did not end within poll_limit looks at it, and was aborted.") \
    STATUS(FIRSTLIGHT_NOT_FOUND, 259, "There is no Firstlight processor at this address.") \
    STATUS(FIRSTLIGHT_OTHER_VERSION, 260, "The register map of the processor is not that of this driver.") \
    STATUS(FIRSTLIGHT_NO_IMAGE, 261, "No image was loaded, or the last one was refused.") \
    STATUS(FIRSTLIGHT_IMAGE_SIZE, 262, "The image does not have the size it says: it is truncated or extended.") \
    STATUS(FIRSTLIGHT_IMAGE_MAGIC, 263, "This is no image: it does not start with the letters FLIM.") \
    STATUS(FIRSTLIGHT_IMAGE_VERSION, 264, "The image has a format version that this driver does not read.") \
    STATUS(FIRSTLIGHT_IMAGE_CRC, 265, "The image is corrupt: its CRC is not that of its content.") \
    STATUS(FIRSTLIGHT_IMAGE_SECTION, 266, "The image has an illegal section, or none with its layers.") \
    STATUS(FIRSTLIGHT_OTHER_COLUMNS, 267, "The image is for other columns, tiles or encoders than the processor's.") \
    STATUS(FIRSTLIGHT_OTHER_WALKERS, 268, "The image is for another number of walkers than the processor's.") \
    STATUS(FIRSTLIGHT_OTHER_SPAN, 269, "The image is for another span of the spike store than the processor's.") \
    STATUS(FIRSTLIGHT_NEEDS_MEMORY, 270, "This takes a memory bus, and a memory that the driver was told of.") \
    STATUS(FIRSTLIGHT_TOO_LARGE, 271, "The image has too many layers, timesteps, classes or words for the processor.") \
    STATUS(FIRSTLIGHT_PICTURE_SIZE, 272, "The picture does not have the height and width that the network reads.") \
    STATUS(FIRSTLIGHT_PICTURE_CODE, 273, "The picture has a spike beyond the window of the network's input.") \
    STATUS(FIRSTLIGHT_BUDGET, 274, "A budget is between 1 and the timesteps of the network.") \
    STATUS(FIRSTLIGHT_SELF_TEST, 275, "The processor computes, but not what it should: a signature differs.") \
    STATUS(FIRSTLIGHT_OTHER_BUS, 276, "The image is for another width of the memory bus than the processor's.") \
    STATUS(FIRSTLIGHT_MEMORY_ALIGNMENT, 277, "The memory, or an offset in it, is not a whole number of beats.") \
    STATUS(FIRSTLIGHT_MEMORY_SIZE, 278, "The memory ends before what should lie in it.") \
    STATUS(FIRSTLIGHT_BATCH, 279, "The batch has no such picture, or none at all.") \
    STATUS(FIRSTLIGHT_PICTURE_STAYS, 280, "The spike store has no room for the network's pictures.")

#define FIRSTLIGHT_STATUS_NUMBER(name, number, sentence) name = number,
enum firstlight_status { FIRSTLIGHT_STATUSES(FIRSTLIGHT_STATUS_NUMBER) };
#undef FIRSTLIGHT_STATUS_NUMBER

/* The memory behind the processor's memory bus, or a part of it that is the driver's alone.
 *
 * The driver reaches it by volatile accesses alone, and does nothing about caches. Where one is in between, map the
 * memory uncached; or call firstlight_store_image rather than firstlight_load_image, clean the cache before
 * firstlight_load_stored and firstlight_start_batch, and invalidate it before firstlight_read_answer.
 */
struct firstlight_memory {
    volatile uint32_t *words; /* where the program finds it; NULL without */
    uint32_t address;         /* where the processor's bus finds it, bytes; a multiple of a beat: 8, 16 or 32 bytes */
    uint32_t bytes;
};

/* A processor. Fill in the first five members, zeros for the rest, then firstlight_open. */
struct firstlight {
    uintptr_t base;           /* where its registers are, in bytes, as firstlight_read and firstlight_write take it */
    void (*sleep)(void *);    /* returns when the interrupt line is high, or earlier; NULL to poll without a pause */
    void *sleeper;            /* what sleep is given */
    uint32_t poll_limit;      /* looks at a run before firstlight_wait gives it up; 0 to wait for ever */
    struct firstlight_memory memory; /* only with a memory bus */

    const uint32_t *image;    /* the network at hand, NULL without */
    uint32_t error_layer;     /* of the processor's last error: the layer in which the run was, */
    uint32_t error_detail;    /* and where the error lies; the sentence of the error says what this is */
};

/* Spike codes of a picture, one byte each, as firstlight_encode gives them: (channels, height, width), the width
 * fastest. Where the network unfolds its picture, it is the driver that does. */
struct firstlight_picture {
    const uint8_t *codes;     /* slots of the input's window, or 31 for silence */
    uint32_t height, width;   /* pixels */
};

/* What a run came to. */
struct firstlight_result {
    uint32_t class_index;          /* with the largest logit */
    uint32_t timestep;             /* after which the run stopped, from 1 */
    uint32_t cycles;               /* clock cycles of the run, loading not included */
    uint32_t busy_cycles;          /* walkers x cycles in which the tiles took an event, */
    uint32_t empty_cycles;         /* passed a fetch without a spike, */
    uint32_t fire_cycles;          /* or waited for the fire unit */
    uint32_t events;               /* rows opened in the tiles */
    uint32_t synaptic_operations;
    uint32_t spikes;               /* emitted, before pooling */
    uint32_t neurons;              /* evaluated */
};

/* How a word of the register map is reached; offset is in bytes. firstlight_mmio.c has both for registers that are
 * mapped into memory; a system that reaches them otherwise, over PCIe or JTAG, links its own. */
uint32_t firstlight_read(uintptr_t base, uint32_t offset);
void firstlight_write(uintptr_t base, uint32_t offset, uint32_t value);

/* One sentence about a status; also about a number that is none. */
const char *firstlight_message(enum firstlight_status status);

/* See that there is a processor this driver knows, end what it is doing, and enable its interrupt.
 *
 * FIRSTLIGHT_NOT_FOUND, FIRSTLIGHT_OTHER_VERSION.
 */
enum firstlight_status firstlight_open(struct firstlight *processor);

/* See that an image, the file that `python -m model compile` writes, is whole: its size, version, CRC and sections.
 *
 * It lies at a multiple of four bytes, in a machine whose words begin with their lowest byte.
 *
 * FIRSTLIGHT_IMAGE_SIZE, FIRSTLIGHT_IMAGE_MAGIC, FIRSTLIGHT_IMAGE_VERSION, FIRSTLIGHT_IMAGE_CRC,
 * FIRSTLIGHT_IMAGE_SECTION.
 */
enum firstlight_status firstlight_check_image(const uint32_t *image, size_t bytes);

/* Layers, timesteps and classes of an image that firstlight_check_image has found good. */
uint32_t firstlight_layers(const uint32_t *image);
uint32_t firstlight_timesteps(const uint32_t *image);
uint32_t firstlight_classes(const uint32_t *image);

/* Its name, with a zero behind it. */
#define FIRSTLIGHT_NAME_SIZE 33
void firstlight_name(const uint32_t *image, char name[FIRSTLIGHT_NAME_SIZE]);

/* Bring a network onto the processor, with its exit rule, all its timesteps and no picture.
 *
 * image: one that firstlight_check_image has found good. It stays where it is as long as the network is in use. That
 *     its number format is the processor's, no register can tell; firstlight_self_test does. If weights of it come
 *     from the memory, this is firstlight_store_image and firstlight_load_stored, at offset 0.
 *
 * FIRSTLIGHT_OTHER_COLUMNS, FIRSTLIGHT_OTHER_WALKERS, FIRSTLIGHT_OTHER_SPAN, FIRSTLIGHT_OTHER_BUS,
 * FIRSTLIGHT_TOO_LARGE, FIRSTLIGHT_PICTURE_STAYS, FIRSTLIGHT_NEEDS_MEMORY, FIRSTLIGHT_MEMORY_ALIGNMENT, FIRSTLIGHT_MEMORY_SIZE: the processor was
 * left alone. Any error of the processor, FIRSTLIGHT_TIMEOUT: it has no network now.
 */
enum firstlight_status firstlight_load_image(struct firstlight *processor, const uint32_t *image);

/* Bytes of the memory that an image takes, a multiple of a beat; 0 if its processor has no memory bus. */
uint32_t firstlight_stored_bytes(const uint32_t *image);

/* Put an image into the memory, for firstlight_load_stored: the weights that come from there during a run, and what
 * the processor loads before. The former stay there as long as the network is in use.
 *
 * offset: in the memory, bytes; a multiple of a beat. Several images may lie side by side.
 *
 * Errors as of firstlight_load_image where the processor was left alone: nothing was written.
 */
enum firstlight_status firstlight_store_image(const struct firstlight *processor, const uint32_t *image,
                                              uint32_t offset);

/* As firstlight_load_image, but by the processor itself, from where firstlight_store_image has put the image: a word
 * takes it a cycle or so, and the image can be loaded again and again. */
enum firstlight_status firstlight_load_stored(struct firstlight *processor, const uint32_t *image, uint32_t offset);

/* Pixels to the spike codes of a network's input: bright ones spike early, black ones never.
 *
 * image: one that firstlight_check_image has found good.
 * pixels, codes: so many bytes each; may be the same.
 * white: the pixel that stands for 1.0, and the largest there is; 255 for most pictures.
 */
void firstlight_encode(const uint32_t *image, const uint8_t *pixels, size_t count, uint8_t white, uint8_t *codes);

/* Bring a picture into the spike store.
 *
 * FIRSTLIGHT_NO_IMAGE, FIRSTLIGHT_PICTURE_SIZE, FIRSTLIGHT_PICTURE_CODE: nothing was written.
 * Any error of the processor.
 */
enum firstlight_status firstlight_load_picture(struct firstlight *processor,
                                               const struct firstlight_picture *picture);

/* Run so many timesteps, whatever the logits say; until the next firstlight_load_image or firstlight_set_exit.
 *
 * FIRSTLIGHT_NO_IMAGE, FIRSTLIGHT_BUDGET.
 */
enum firstlight_status firstlight_set_budget(struct firstlight *processor, uint32_t timesteps);

/* Stop when a rule is sure, or after the network's last timestep.
 *
 * rule: FIRSTLIGHT__EXIT_RULE__*
 * threshold: in the units of the register exit_threshold.
 *
 * FIRSTLIGHT_NO_IMAGE. A rule or threshold that is illegal is FIRSTLIGHT_SETTINGS when the next run ends.
 */
enum firstlight_status firstlight_set_exit(struct firstlight *processor, uint32_t rule, uint32_t threshold);

/* End every run, and every transfer from or to the memory, that takes more clock cycles with FIRSTLIGHT_CYCLES.
 * 2^32 - 1 after a reset.
 *
 * It is what ends a run whose memory does not answer any more. Until it answers again, others end likewise; then
 * nothing is left of them. If it never does, only a reset of processor and memory together helps.
 */
void firstlight_set_cycle_limit(struct firstlight *processor, uint32_t cycles);

/* Begin a run of the network on the picture. FIRSTLIGHT_NO_IMAGE; all else is told when the run ends. */
enum firstlight_status firstlight_start(struct firstlight *processor);

/* Look whether the run has ended: FIRSTLIGHT_OK if it has, else FIRSTLIGHT_RUNNING, or any error of the processor. */
enum firstlight_status firstlight_poll(struct firstlight *processor);

/* Wait until the run has ended, asleep between two looks if there is a sleep. Where the interrupt may fail to come,
 * have sleep return now and then without it: poll_limit counts looks.
 *
 * FIRSTLIGHT_TIMEOUT; any error of the processor.
 */
enum firstlight_status firstlight_wait(struct firstlight *processor);

/* Pictures that the processor answers one after the other by itself, and their answers: so many, in the memory. */
struct firstlight_batch {
    uint32_t offset;          /* in the memory, bytes; a multiple of a beat */
    uint32_t pictures;
};

/* Bytes of the memory that a batch takes for each of its pictures, the answer included; 0 without a memory bus. */
uint32_t firstlight_batch_bytes(const uint32_t *image);

/* Put a picture into the memory; index counts from 0.
 *
 * FIRSTLIGHT_NO_IMAGE, FIRSTLIGHT_NEEDS_MEMORY, FIRSTLIGHT_MEMORY_ALIGNMENT, FIRSTLIGHT_MEMORY_SIZE, FIRSTLIGHT_BATCH,
 * FIRSTLIGHT_PICTURE_SIZE, FIRSTLIGHT_PICTURE_CODE: nothing was written.
 */
enum firstlight_status firstlight_store_picture(const struct firstlight *processor,
                                                const struct firstlight_batch *batch, uint32_t index,
                                                const struct firstlight_picture *picture);

/* Begin to answer all pictures of a batch; its end is told by firstlight_poll and firstlight_wait, as that of a run.
 *
 * FIRSTLIGHT_NO_IMAGE, FIRSTLIGHT_NEEDS_MEMORY, FIRSTLIGHT_MEMORY_ALIGNMENT, FIRSTLIGHT_MEMORY_SIZE.
 */
enum firstlight_status firstlight_start_batch(struct firstlight *processor, const struct firstlight_batch *batch);

/* Pictures of the last batch that have their answers, also while it runs and after an error. */
uint32_t firstlight_answered(const struct firstlight *processor);

/* Read the answer to a picture; index counts from 0.
 *
 * logits, signatures: room for one per class, and for one per layer of the network; NULL if they are not wanted.
 *
 * FIRSTLIGHT_NO_IMAGE, FIRSTLIGHT_NEEDS_MEMORY, FIRSTLIGHT_MEMORY_ALIGNMENT, FIRSTLIGHT_MEMORY_SIZE, FIRSTLIGHT_BATCH.
 */
enum firstlight_status firstlight_read_answer(const struct firstlight *processor, const struct firstlight_batch *batch,
                                              uint32_t index, struct firstlight_result *result, int32_t *logits,
                                              uint32_t *signatures);

/* What the last run came to. Valid when it has ended well, until the next start; so are logits and signatures. */
void firstlight_read_result(const struct firstlight *processor, struct firstlight_result *result);

/* One logit per class of the network: firstlight_classes of them, or fewer. */
void firstlight_read_logits(const struct firstlight *processor, int32_t *logits, uint32_t count);

/* One signature per layer of the network, the CRC of all it emitted: firstlight_layers of them, or fewer. */
void firstlight_read_signatures(const struct firstlight *processor, uint32_t *signatures, uint32_t count);

/* Load a picture, run the network, wait, and read what it came to. Errors as of each. */
enum firstlight_status firstlight_classify(struct firstlight *processor, const struct firstlight_picture *picture,
                                           struct firstlight_result *result);

/* Let a policy choose the timesteps of a picture (SEENN-II; Li et al., NeurIPS 2023): it runs first, and its class,
 * plus one, is the budget of the network.
 *
 * policy, network: images that firstlight_check_image has found good. Both are loaded; the network stays, with its
 *     budget. To load them less often, run many pictures through the policy first, and give each its
 *     firstlight_set_budget then.
 * policy_picture, picture: the picture in the code of each.
 * result: class and timestep are the network's, cycles and counts those of both.
 *
 * FIRSTLIGHT_BUDGET, if the network does not have as many timesteps as the policy wants; errors as of each step.
 */
enum firstlight_status firstlight_classify_by_policy(
    struct firstlight *processor, const uint32_t *policy, const struct firstlight_picture *policy_picture,
    const uint32_t *network, const struct firstlight_picture *picture, struct firstlight_result *result);

/* Run a picture whose answer is known, and see that every layer emitted what it should.
 *
 * signatures: what model.processor says, one per layer of the network.
 *
 * FIRSTLIGHT_SELF_TEST, error_layer then is the first layer that differs; errors as of firstlight_classify.
 */
enum firstlight_status firstlight_self_test(struct firstlight *processor, const struct firstlight_picture *picture,
                                            const uint32_t *signatures);

#ifdef __cplusplus
}
#endif

#endif
