from cosim import gates

VCD = """$timescale 1ps $end
$scope module $rootio $end
 $var wire 1 ! clk $end
$upscope $end
$scope module block $end
 $var wire 1 " clk $end
 $var wire 3 # bus [2:0] $end
 $var wire 1 $ net1[4] $end
 $scope module inner $end
  $var wire 1 % hidden $end
 $upscope $end
$upscope $end
$enddefinitions $end
#0
0!
0"
b000 #
1$
0%
#10
1"
b101 #
1%
#20
0"
b110 #
0$
#30
1"
b000 #
"""


def test_changes_are_counted_bit_by_bit_within_the_window(tmp_path):
    path = tmp_path / "dump.vcd"
    path.write_text(VCD)
    assert gates.toggles(path, "block", 0, 20) == {"clk": 2, "bus[0]": 2, "bus[1]": 1, "bus[2]": 1, "net1[4]": 1}
    assert gates.toggles(path, "block", 20, 30) == {"clk": 1, "bus[1]": 1, "bus[2]": 1}


def test_a_picture_takes_clock_and_leakage_in_every_cycle(monkeypatch):
    monkeypatch.setattr(gates, "BLOCKS", {"tile": None})
    done = {"cells pJ": 3.0, "nets pJ": 1.0, "clock pJ a cycle": 2.0, "cycles": 10}
    blocks = {"tile": {"leakage nW": 100.0, "digits-ttfs": done | {"synaptic_operations": 36508}}}
    found = gates.whole(blocks, "digits-ttfs")
    assert found["synaptic_operations"] == 36508
    expected = 3 + 1 + found["cycles"] * (2 + 100 * gates.PERIOD / 1e6)
    assert abs(found["pJ"]["tile"] - expected) < 1e-3 * expected
    stopped = expected - 2 * (found["cycles"] - 10)
    assert abs(found["pJ, clock stopped"]["tile"] - stopped) < 1e-3 * stopped
    assert abs(found["pJ a synaptic operation"]["tile"] * 36508 - expected) < 1e-3 * expected
