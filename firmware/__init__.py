"""Drivers of a Firstlight processor: in C, and in Python.

The latter reads images and encodes pictures by :mod:`model.image`, and so needs ``model/`` beside it, and numpy.

=============================  =====================================================================
:mod:`firmware.processor`      the driver in Python: load an image, run pictures
:mod:`firmware.buses`          how it reaches the registers: Linux UIO, PYNQ, a serial line
:mod:`firmware.registers`      the register map, generated from ``rtl/registers.rdl``
``firstlight_driver.h``, .c    the driver in C, for systems without an operating system
=============================  =====================================================================

A bus is an object with three functions; :func:`cosim.simulated.simulated` gives one to a processor in simulation:

``read(address, words)``
    So many words from a byte address on: list of int, unsigned.
``write(address, words)``
    Writes a sequence of words from a byte address on.
``sleep(seconds)``
    Returns when the interrupt line is high, after so many seconds at the latest. It may return earlier.
"""
