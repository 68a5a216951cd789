# What runs before main, and after it: the simulation ends with what main returns.
    .section .start, "ax"
    .globl _start
_start:
    la sp, stack
    la t0, bss
    la t1, bss_end
clear:
    bgeu t0, t1, run
    sw zero, 0(t0)
    addi t0, t0, 4
    j clear
run:
    call main
    la t0, halt
    sw a0, 0(t0)
stay:
    j stay
