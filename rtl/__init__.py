"""The gateware. Its modules in the order in which a spike meets them:

======================  ======================================================================
:mod:`rtl.registers`    what the host sees: the register map, on AXI4-Lite
:mod:`rtl.loader`       the load window: images and pictures into the memories
:mod:`rtl.sequencer`    layers inside timesteps, from the descriptors in :mod:`rtl.descriptor_store`
:mod:`rtl.walker`       the spikes that each output pixel reads, from :mod:`rtl.spike_store`
:mod:`rtl.picker`       what was fetched to one event a cycle
:mod:`rtl.tile`         the crossbar: an event opens a row, every column adds its synapse
:mod:`rtl.drain`        a finished pixel, a few columns a cycle, with its biases and its state
:mod:`rtl.fire`         charges to spike times
:mod:`rtl.pool`         the earliest spike of a window, packed into words again
:mod:`rtl.exit`         when the answer is sure
======================  ======================================================================

:mod:`rtl.supply` brings weights that do not fit from a memory, one column group ahead: :mod:`rtl.lookahead` names the
layers, :mod:`rtl.prefetch` asks for their column groups, :mod:`rtl.reader` reads them, :mod:`rtl.rows` unpacks them,
and :mod:`rtl.seen` tells which channels spiked.

:mod:`rtl.batch` loads from that memory, and works through batches of pictures in it: :mod:`rtl.steps` says what comes
next, :mod:`rtl.words` cuts beats into words for the loader, :mod:`rtl.answer` gathers what is known of a run, and
:mod:`rtl.writer` writes it.

:mod:`rtl.store` is the memory they share, :mod:`rtl.buffer` where a stall is caught, :mod:`rtl.signature` the CRC of
what leaves each layer, :mod:`rtl.core` the datapath put together and :mod:`rtl.processor` the top level.
:mod:`rtl.verilog` exports it, :mod:`rtl.netlist` lints and synthesises the export.

:mod:`rtl.wishbone` puts it on another bus; :mod:`rtl.uart_bridge`, with :mod:`rtl.uart`, on a serial line, and
:mod:`rtl.board` that on the pins of a board.
"""
