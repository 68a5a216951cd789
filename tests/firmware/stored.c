/* What the driver puts into a memory, and what it reads there:
 *
 *     ./stored IMAGE CODES HEIGHT WIDTH PICTURES ADDRESS OFFSET ANSWERS
 *
 * CODES are the spike codes of so many pictures. IMAGE and pictures are put OFFSET bytes into a memory that the
 * processor finds at ADDRESS; then it has written ANSWERS. Printed are the registers of the load, those of the batch,
 * the words of the memory before the answers, and a line for each answer.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"
#include "firstlight_driver.h"

static uint32_t image[1 << 20];
static uint8_t codes[1 << 20], answers[1 << 16];
static int32_t logits[1024];
static uint32_t signatures[64];

static size_t read_file(const char *name, void *bytes, size_t room)
{
    FILE *file = fopen(name, "rb");
    size_t count = file ? fread(bytes, 1, room, file) : 0;
    if (file)
        fclose(file);
    return count;
}

int main(int count, char **words)
{
    if (count != 9)
        return 2;
    size_t bytes = read_file(words[1], image, sizeof image), size = read_file(words[2], codes, sizeof codes);
    uint32_t height = (uint32_t)atoi(words[3]), width = (uint32_t)atoi(words[4]), pictures = (uint32_t)atoi(words[5]);
    uint32_t address = (uint32_t)strtoul(words[6], NULL, 10), offset = (uint32_t)strtoul(words[7], NULL, 10);
    struct firstlight_batch batch = {offset + firstlight_stored_bytes(image), pictures};
    uint32_t room = batch.offset + pictures * firstlight_batch_bytes(image);
    uint32_t *memory = (uint32_t *)calloc(1, room);
    struct firstlight processor = {.base = 0x4000, .poll_limit = 100, .memory = {memory, address, room}};

    /* The processor that the image was compiled for. */
    fake.registers.id = FIRSTLIGHT__ID__VALUE_reset;
    fake.registers.capability_columns = image[3];
    fake.registers.capability_tiles = image[4] & 0xFF000000;
    fake.registers.capability_spikes = (image[4] & 0x00FF0000) << 8;
    fake.registers.capability_limits = image[5];
    fake.registers.capability_memory = image[10] >> 24 << 3;

    enum firstlight_status status = firstlight_open(&processor);
    if (!status)
        status = firstlight_check_image(image, bytes);
    if (!status)
        status = firstlight_store_image(&processor, image, offset);
    if (!status)
        status = firstlight_load_stored(&processor, image, offset);
    printf("%" PRIu32 " %" PRIu32 "\n", fake.registers.source_address, fake.registers.source_words);
    for (uint32_t index = 0; index < pictures && !status; index++) {
        struct firstlight_picture picture = {codes + index * (size / pictures), height, width};
        status = firstlight_store_picture(&processor, &batch, index, &picture);
    }
    if (!status)
        status = firstlight_start_batch(&processor, &batch);
    if (!status)
        status = firstlight_wait(&processor);
    printf("%" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 "\n", fake.registers.source_address,
           fake.registers.source_words, fake.registers.batch_pictures, fake.registers.batch_distance,
           fake.registers.batch_answers);
    uint32_t answer = fake.registers.batch_answers - address;
    for (uint32_t word = offset / 4; word < answer / 4; word++)
        printf("%" PRIu32 " ", memory[word]);
    printf("\n");
    if (read_file(words[8], answers, sizeof answers) == room - answer)
        memcpy((char *)memory + answer, answers, room - answer);
    for (uint32_t index = 0; index < pictures && !status; index++) {
        struct firstlight_result result;
        status = firstlight_read_answer(&processor, &batch, index, &result, logits, signatures);
        printf("%" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32
               " %" PRIu32 " %" PRIu32, result.class_index, result.timestep, result.cycles, result.busy_cycles,
               result.empty_cycles, result.fire_cycles, result.events, result.synaptic_operations, result.spikes,
               result.neurons);
        for (uint32_t each = 0; each < firstlight_classes(image); each++)
            printf(" %" PRId32, logits[each]);
        for (uint32_t layer = 0; layer < firstlight_layers(image); layer++)
            printf(" %" PRIu32, signatures[layer]);
        printf("\n");
    }
    free(memory);
    if (status)
        fprintf(stderr, "%s\n", firstlight_message(status));
    return status != FIRSTLIGHT_OK;
}
