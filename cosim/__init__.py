"""Cosimulation: the exported Verilog against the golden model, number by number.

========================  =====================================================================
:mod:`cosim.compare`      networks on the exported processor against the model
:mod:`cosim.host`         the host's side of the bus: load, run, read back
:mod:`cosim.lockstep`     where model and gateware part
:mod:`cosim.report`       table and page of what was found
:mod:`cosim.cycles`       how busy the columns are, layer by layer
:mod:`cosim.workloads`    the networks and spikes that is measured on
:mod:`cosim.speed`        how fast model and simulation are
:mod:`cosim.performance`  tables and plots of these two
:mod:`cosim.cost`         what pictures cost, a page with plots
:mod:`cosim.gates`        our own netlists in standard cells, on a picture's spikes
:mod:`cosim.simulated`    a processor in simulation, for :mod:`firmware.processor`
:mod:`cosim.simulator`    builds exported Verilog with Verilator and runs a bench on it
:mod:`cosim.streams`      drivers and monitors for the stream ports of a block
``cosim.bench_*``         the benches, run by cocotb inside the simulator: one for each block
========================  =====================================================================

``python -m cosim compare`` runs whole networks and reports; ``cycles`` and ``speed`` measure.
"""
