/* What lies in the flash: a directory, and what it points to. cosim/soc.py writes it. */
#ifndef FLASH_H
#define FLASH_H

#include <stdint.h>

/* A place in the flash. */
struct place {
    uint32_t offset, bytes;
};

/* Pictures for a network. */
struct job {
    struct place image;
    struct place policy;      /* the image that chooses the timesteps of each picture; no bytes without */
    struct place signatures;  /* of every layer, for the first picture; no bytes where there is nothing to test */
    struct place pictures;    /* pixels, one byte each, one picture after the other */
    uint32_t channels, height, width, white;
};

struct directory {
    uint32_t memory_bytes;    /* of the memory behind the processor's memory bus; 0 without */
    uint32_t jobs;
    struct job job[];
};

#endif
