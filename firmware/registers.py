"""The register map, generated from rtl/registers.rdl by `python -m rtl registers`; do not edit it."""
# ruff: noqa: E501

from enum import IntEnum

# Bytes from the first register to the end of the last window.
SIZE = 0x3100

# Byte addresses of registers and windows.
ADDRESSES = {
    'id': 0x0,
    'version': 0x4,
    'capability_columns': 0x8,
    'capability_tiles': 0xc,
    'capability_spikes': 0x10,
    'capability_state_words': 0x14,
    'capability_parameter_words': 0x18,
    'capability_limits': 0x1c,
    'control': 0x20,
    'status': 0x24,
    'interrupt': 0x28,
    'interrupt_enable': 0x2c,
    'error': 0x30,
    'error_detail': 0x34,
    'cycle_limit': 0x38,
    'capability_charge_words': 0x3c,
    'network': 0x40,
    'exit': 0x44,
    'exit_threshold': 0x48,
    'result': 0x50,
    'cycles': 0x60,
    'busy_cycles': 0x64,
    'empty_cycles': 0x68,
    'fire_cycles': 0x6c,
    'events': 0x70,
    'synaptic_operations': 0x74,
    'spikes': 0x78,
    'neurons': 0x7c,
    'capability_memory': 0x80,
    'source_address': 0x84,
    'source_words': 0x88,
    'batch_pictures': 0x8c,
    'batch_distance': 0x90,
    'batch_answers': 0x94,
    'batch_done': 0x98,
    'load': 0x1000,
    'logits': 0x2000,
    'signatures': 0x3000,
}

# Words of windows.
WORDS = {
    'load': 1024,
    'logits': 1024,
    'signatures': 64,
}

# Fields of registers: lowest bit and width.
FIELDS = {
    'id': {'value': (0, 32)},
    'version': {'minor': (0, 16), 'major': (16, 16)},
    'capability_columns': {'columns': (0, 16), 'tiles': (16, 8), 'encoders': (24, 8)},
    'capability_tiles': {'rows': (0, 24), 'walkers': (24, 8)},
    'capability_spikes': {'words': (0, 24), 'span': (24, 8)},
    'capability_state_words': {'value': (0, 32)},
    'capability_parameter_words': {'value': (0, 32)},
    'capability_limits': {'layers': (0, 8), 'timesteps': (8, 8), 'classes': (16, 16)},
    'control': {'start': (0, 1), 'abort': (1, 1), 'load': (2, 1), 'batch': (3, 1)},
    'status': {'busy': (0, 1), 'loading': (1, 1)},
    'interrupt': {'done': (0, 1), 'error': (1, 1)},
    'interrupt_enable': {'done': (0, 1), 'error': (1, 1)},
    'error': {'code': (0, 8), 'layer': (8, 8)},
    'error_detail': {'value': (0, 32)},
    'cycle_limit': {'value': (0, 32)},
    'capability_charge_words': {'value': (0, 32)},
    'network': {'layers': (0, 8), 'timesteps': (8, 8), 'classes': (16, 16)},
    'exit': {'rule': (0, 2), 'shift': (8, 5)},
    'exit_threshold': {'value': (0, 32)},
    'result': {'class_index': (0, 16), 'timestep': (16, 8)},
    'cycles': {'value': (0, 32)},
    'busy_cycles': {'value': (0, 32)},
    'empty_cycles': {'value': (0, 32)},
    'fire_cycles': {'value': (0, 32)},
    'events': {'value': (0, 32)},
    'synaptic_operations': {'value': (0, 32)},
    'spikes': {'value': (0, 32)},
    'neurons': {'value': (0, 32)},
    'capability_memory': {'width': (0, 16)},
    'source_address': {'value': (0, 32)},
    'source_words': {'value': (0, 24)},
    'batch_pictures': {'value': (0, 32)},
    'batch_distance': {'value': (0, 32)},
    'batch_answers': {'value': (0, 32)},
    'batch_done': {'value': (0, 32)},
}

# What registers hold in every processor that has this map.
CONSTANTS = {
    'id': {'value': 1179404615},
    'version': {'minor': 2, 'major': 0},
}


class ErrorCode(IntEnum):
    NONE = 0
    REGISTER = 1
    LOAD = 2
    BUSY = 3
    SETTINGS = 4
    DESCRIPTOR = 5
    ADDRESS = 6
    CYCLES = 7
    ABORTED = 8
    MEMORY = 9


# What they mean.
SENTENCES = {
    0: "No error so far.",
    1: "Illegal register access; error_detail is the address.",
    2: "Illegal section in the load window, or a command, or the end of a load, while a section is incomplete; error_detail is its first word.",
    3: "A command or a word in the load window while another command is being done.",
    4: "A command that its settings do not allow; error_detail is the address of the register.",
    5: "Illegal layer descriptor; error_detail is the index of the 32-bit word that holds the field.",
    6: "An access beyond the end of a store or of the rows; error_detail is its word address.",
    7: "cycle_limit was reached; error_detail is the number of cycles.",
    8: "control.abort was written while a command was being done.",
    9: "The memory answered with an error; error_detail is the byte address of the burst.",
}
