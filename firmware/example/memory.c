/* What a compiler may call although there is no C library. */

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    for (size_t index = 0; index < bytes; index++)
        ((char *)to)[index] = ((const char *)from)[index];
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    for (size_t index = 0; index < bytes; index++)
        ((char *)to)[index] = (char)value;
    return to;
}
