/* Registers that are mapped into memory, for firstlight_driver.h. */

#include "firstlight_driver.h"

/* As whole words: the struct of firstlight.h is packed, so a compiler may split an access to its members into bytes,
 * which the load window refuses. */
uint32_t firstlight_read(uintptr_t base, uint32_t offset)
{
    return *(volatile uint32_t *)(base + offset);
}

void firstlight_write(uintptr_t base, uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(base + offset) = value;
}
