"""Cosimulation: the exported Verilog against the golden model, number by number.

=======================  =====================================================================
:mod:`cosim.simulator`   builds exported Verilog with Verilator and runs a bench on it
:mod:`cosim.streams`     drivers and monitors for the stream ports of a block
``cosim.bench_*``        the benches, run by cocotb inside the simulator: one for each block
=======================  =====================================================================

``python -m cosim compare`` runs whole networks and reports.
"""
