from cosim.firmware import NETWORKS
from cosim.simulator import Simulation
from model.config import preset
from rtl.verilog import export
from rtl.wishbone import WishboneProcessor

CONFIG = "tiny"


def test_digits_are_classified_as_the_model_does_and_refused_accesses_are_answered(tmp_path):
    simulation = Simulation(export(WishboneProcessor(preset(CONFIG)), "firstlight_wishbone"), "firstlight_wishbone")
    for network in ("digits-ttfs", "digits-lif"):
        passed = simulation.run("cosim.bench_wishbone", tmp_path / network, parameters={
            "config": CONFIG, "network": str(NETWORKS / network), "images": 10})
        assert len(passed) == 1
