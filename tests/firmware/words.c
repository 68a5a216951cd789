/* What the driver writes to the load window for a picture:
 *
 *     ./words IMAGE PIXELS HEIGHT WIDTH WHITE COLUMNS TILES SPIKES LIMITS
 *
 * A line for each word, in hexadecimal. PIXELS are bytes; with a WHITE of 0 they are spike codes already. The last four
 * are the capability registers of the processor.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fake.h"
#include "firstlight_driver.h"

static uint32_t image[1 << 20];
static uint8_t pixels[1 << 16];

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
    struct firstlight processor = {.base = 0x4000};
    if (count != 10)
        return 2;
    size_t bytes = read_file(words[1], image, sizeof image), codes = read_file(words[2], pixels, sizeof pixels);
    struct firstlight_picture picture = {pixels, (uint32_t)atoi(words[3]), (uint32_t)atoi(words[4])};
    uint8_t white = (uint8_t)atoi(words[5]);

    fake.registers.id = FIRSTLIGHT__ID__VALUE_reset;
    fake.registers.capability_columns = (uint32_t)strtoul(words[6], NULL, 10);
    fake.registers.capability_tiles = (uint32_t)strtoul(words[7], NULL, 10);
    fake.registers.capability_spikes = (uint32_t)strtoul(words[8], NULL, 10);
    fake.registers.capability_limits = (uint32_t)strtoul(words[9], NULL, 10);

    enum firstlight_status status = firstlight_open(&processor);
    if (!status)
        status = firstlight_check_image(image, bytes);
    if (!status)
        status = firstlight_load_image(&processor, image);
    if (white)
        firstlight_encode(image, pixels, codes, white, pixels);
    fake.loaded_words = 0;
    if (!status)
        status = firstlight_load_picture(&processor, &picture);
    if (status) {
        fprintf(stderr, "%s\n", firstlight_message(status));
        return 1;
    }
    for (uint32_t index = 0; index < fake.loaded_words; index++)
        printf("%08" PRIx32 "\n", fake.loaded[index]);
    return 0;
}
