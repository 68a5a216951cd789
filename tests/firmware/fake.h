/* A processor as its driver sees it: registers that keep what is written, a load window that remembers, and runs that
 * end as a test wants. It stops the program at any access that a processor would answer with an error. */
#ifndef FAKE_H
#define FAKE_H

#include <stdint.h>

#include "firstlight.h"

/* How a run, a load from the memory or a batch ends that has no error. */
enum { ENDS_WELL = 0, NEVER_ENDS = 1 << 8 };

struct fake {
    firstlight_t registers;
    uint32_t load_error;     /* what the processor finds wrong with the words of the load window; 0 for nothing */
    uint32_t run_error;      /* how each of them ends: with an error code, or as above */
    uint32_t looks;          /* reads of `interrupt` before it ends */
    uint32_t runs, loads, batches, aborts;   /* so far */
    uint32_t budgets[4];     /* `network` at each start */
    uint32_t loaded[1 << 20], loaded_words;
};

extern struct fake fake;

#endif
