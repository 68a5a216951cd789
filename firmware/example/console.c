#include "console.h"

/* Takes a character. */
extern volatile uint32_t console;

void put(const char *text)
{
    while (*text)
        console = (uint8_t)*text++;
}

void put_number(int32_t number, int width)
{
    char digits[12];
    int first = sizeof digits - 1;
    uint32_t rest = number < 0 ? 0 - (uint32_t)number : (uint32_t)number;
    digits[first] = 0;
    do {
        digits[--first] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (number < 0)
        digits[--first] = '-';
    for (int filled = (int)sizeof digits - 1 - first; filled < width; filled++)
        put(" ");
    put(digits + first);
}
