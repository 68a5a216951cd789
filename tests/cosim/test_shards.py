import json
import os
import signal
import threading
import time
from contextlib import contextmanager

import pytest

from cosim import compare, memory, shards
from cosim.__main__ import main
from cosim.shards import cut
from model.config import preset


def test_pieces_hold_every_picture_once_and_every_budget():
    pieces = list(cut(list(range(50)), 30, 4))
    assert [len(piece["indices"]) for piece in pieces] == [13, 13, 13, 11]
    assert [index for piece in pieces for index in piece["indices"]] == list(range(50))
    assert [piece["budget_images"] for piece in pieces] == [13, 13, 4, 0]
    assert list(cut([7], 0, 8)) == [{"indices": [7], "budget_images": 0}]


@pytest.fixture(scope="module")
def verilog():
    return memory.system(preset("tiny"))


@pytest.fixture
def exported(monkeypatch, verilog):
    """The Verilog is there already."""
    monkeypatch.setattr(compare, "system", lambda cfg: verilog)


def results(folder, *options):
    assert main(["compare", "digits-lif", "--config", "tiny", "--images", "4", "--out", str(folder), *options]) == 0
    network, = json.loads((folder / "results.json").read_text())["networks"]
    return {name: value for name, value in network.items() if name != "simulated_cycles_per_second"}


def test_a_worker_that_is_killed_loses_nothing_against_the_only_one_of_a_cluster(exported, tmp_path, monkeypatch):
    killed = []
    with shards.workers(1, None) as (client, _):
        alone = results(tmp_path / "alone", "--cluster", client.scheduler.address)
    assert alone["agreement"]["logits"] == {"equal": 4, "of": 4}

    @contextmanager
    def deadly(jobs, cluster):
        """Workers, one of which is killed when a picture has been run."""
        with shards.workers(jobs, cluster) as (client, count):
            pids = list(client.run(os.getpid).values())

            def kill():
                while not any(path.stat().st_size for path in (tmp_path / "shared").rglob("progress.jsonl")):
                    time.sleep(0.05)
                os.kill(pids[0], signal.SIGKILL)
                killed.append(pids[0])

            threading.Thread(target=kill, daemon=True).start()
            yield client, count

    monkeypatch.setattr(compare, "workers", deadly)
    assert results(tmp_path / "shared", "--jobs", "2") == alone
    assert len(killed) == 1


@pytest.mark.parametrize("options, said", [
    (["--jobs", "0"], "--jobs must be at least 1, not 0"),
    (["--waves", "1", "--cluster", "tcp://127.0.0.1:9"], "--waves stay on the machine of their worker"),
    (["--cluster", "tcp://127.0.0.1:9"], "no scheduler answers at tcp://127.0.0.1:9: "),
])
def test_a_mistake_is_one_sentence(options, said, tmp_path, capsys):
    assert main(["compare", "digits-ttfs", "--config", "tiny", *options, "--out", str(tmp_path)]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith(f"error: {said}") and printed.count("\n") == 1


def test_a_worker_with_another_project_refuses(tmp_path):
    shard = shards.Shard(verilog="", waves=False, files={}, parameters={}, folder=tmp_path, project="0")
    with pytest.raises(ValueError, match="^the project on .* differs from the one that compares$"):
        shards.run(shard)
