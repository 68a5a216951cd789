from cosim.firmware import NETWORKS
from cosim.simulator import Simulation
from model.config import preset
from rtl.board import BAUD, BOARDS
from rtl.uart_bridge import UartProcessor
from rtl.verilog import export

CONFIG = "tiny"


def test_a_digit_is_classified_over_the_boards_serial_port_as_the_model_does(tmp_path):
    bit_cycles = round(BOARDS["ulx3s-12f"]().default_clk_constraint.frequency / BAUD)
    simulation = Simulation(export(UartProcessor(preset(CONFIG), bit_cycles), "firstlight_uart"), "firstlight_uart")
    passed = simulation.run("cosim.bench_uart", tmp_path, parameters={
        "config": CONFIG, "bit_cycles": bit_cycles, "network": str(NETWORKS / "digits-ttfs"), "images": 1})
    assert len(passed) == 1
