/* Text for people who watch the console. */
#ifndef CONSOLE_H
#define CONSOLE_H

#include <stdint.h>

void put(const char *text);

/* A number, filled up with spaces from the left to so many characters. */
void put_number(int32_t number, int width);

#endif
