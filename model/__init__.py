"""The golden model: integer PyTorch, bit-exact, the specification of the gateware.

Read it in the order a picture takes:

======================  ======================================================================
:mod:`model.config`     every width, depth and address of the processor; presets
:mod:`model.coding`     how a picture becomes spikes
:mod:`model.network`    a network in the numbers of the hardware: codes, biases, gains
:mod:`model.tables`     mantissas, spike thresholds, exponential and logarithm tables
:mod:`model.logarithm`  ``magnitude``: what a synapse is worth
:mod:`model.tiling`     how the tiles share a layer: by output channels, output pixels, or both
:mod:`model.walker`     the spikes that each output pixel reads
:mod:`model.picker`     what was fetched to one event a cycle
:mod:`model.tile`       events to charges: the crossbar
:mod:`model.fire`       charges to spike times
:mod:`model.pool`       the earliest spike of a pooling window
:mod:`model.signature`  the CRC that stands for everything a layer emitted
:mod:`model.exit`       when the answer is sure
:mod:`model.cycles`     how long all of it takes, to the cycle
:mod:`model.processor`  a whole run: layers inside timesteps, counters, decisions
======================  ======================================================================

On the way from a trained network to the chip: :mod:`model.training` (float), :mod:`model.quantise`,
:mod:`model.convert` (float to :mod:`model.network`), :mod:`model.compiler` (network to image) and
:mod:`model.image` (the binary a chip loads). :mod:`model.batch` lays out an image, pictures and room for answers in
one memory, :mod:`model.answer` is one of them.

What it costs: :mod:`model.energy` on this processor, :mod:`model.crossbar` on analog arrays, and
:mod:`model.variation` if their devices vary.
"""
