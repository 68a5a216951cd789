"""What ``compare`` writes: ``build/compare/results.json``, and its schema beside it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["QUANTITIES", "NEAR_QUANTITIES", "Agreement", "Picture", "SweepPoint", "Raster", "NetworkResult", "Results"]

# What model and gateware must agree on, for every picture.
QUANTITIES = ("class", "exit timestep", "logits", "signatures", "counters", "cycles", "layer cycles")
# The same where weights come from a memory that is not ideal.
NEAR_QUANTITIES = (*QUANTITIES[:-2], "cycles, within 1 %")

Count = Annotated[int, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Agreement(_Strict):
    """``equal`` of ``of`` pictures agree."""

    equal: Count
    of: Count


class Picture(_Strict):
    """One picture on the exported Verilog. Cycles are clock cycles from start to interrupt."""

    index: Count
    label: Count
    class_index: Count
    timesteps: Count
    cycles: Count
    busy_cycles: Count
    empty_cycles: Count
    fire_cycles: Count
    events: Count
    synaptic_operations: Count
    spikes: Count
    neurons: Count


class SweepPoint(_Strict):
    """What another exit threshold would do: decisions of the golden model on all pictures, cycles measured on the
    exported Verilog (``cycles_after`` of the network) and averaged over the timesteps in which pictures stop."""

    threshold: float
    accuracy: float
    timesteps: float
    cycles: float


class Raster(_Strict):
    """The spikes of one picture in the golden model."""

    index: Count
    label: Count
    class_index: Count
    timesteps: Count
    layers: tuple[str, ...]
    # Per layer, the spikes as (timestep, slot, neuron): timesteps from 1, neurons in (channel, row, column) order.
    spikes: tuple[tuple[tuple[Count, Count, Count], ...], ...]
    # Neurons of each layer.
    neurons: tuple[Count, ...]


class NetworkResult(_Strict):
    """One network, on ``images`` pictures of its test split."""

    network: str
    network_sha256: str                 # of its weights; of the policy's, if one names its timesteps
    images: Count
    golden_accuracy: float
    rtl_accuracy: float
    agreement: dict[str, Agreement]
    timesteps: Count                    # the longest run
    slots: Count                        # of the widest window
    exit_rule: str
    exit_threshold: float
    average_timesteps: float
    cycles_min: Count
    cycles_median: float
    cycles_max: Count
    synaptic_operations: float          # per picture
    busy_columns: float                 # synaptic operations / (cycles * columns), 0 to 1
    simulated_cycles_per_second: float
    # Mean cycles of a run made to stop after timestep 1, 2, ..., and on how many pictures; empty for one timestep.
    cycles_after: tuple[float, ...]
    cycles_after_images: Count
    sweep: tuple[SweepPoint, ...]       # empty for networks of one timestep
    rasters: dict[str, Raster]          # an "easy" and a "hard" picture
    pictures: tuple[Picture, ...]


class Results(_Strict):
    """A run of ``compare``."""

    version: int = 1
    command: str
    commit: str                         # of the project, "+" behind it where files were changed; "unknown" outside git
    config: str                         # preset
    columns: Count                      # of all tiles
    walkers: Count
    latency: Count                      # of the memory: cycles, beyond those of an ideal one
    pause: Count                        # of the memory: cycles between two beats
    verilog_sha256: str
    networks: tuple[NetworkResult, ...]
