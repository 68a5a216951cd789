import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pooch
import pytest

from model import fetch as module
from model.fetch import FILES, FOLDER, File, fetch

NAME = "words/greeting.txt"
CONTENT = b"Good morning!\n"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def published(tmp_path):
    """The folder of a publisher on this machine, and its address."""
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "greeting.txt").write_bytes(CONTENT)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}/greeting.txt"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def known(published, tmp_path, monkeypatch):
    """The published file, known under NAME; the folder of the cache."""
    cache = tmp_path / "cache"
    monkeypatch.delenv(FOLDER, raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda project: cache)
    monkeypatch.setattr(module, "FILES", {NAME: File(
        url=published[1], digest=f"sha256:{hashlib.sha256(CONTENT).hexdigest()}", licence="CC0-1.0")})
    return cache


def test_a_file_is_downloaded_once_and_kept(known, published):
    assert fetch(NAME) == known / NAME
    assert (known / NAME).read_bytes() == CONTENT
    (published[0] / "greeting.txt").unlink()
    assert fetch(NAME) == known / NAME


def test_a_file_in_the_folder_of_the_environment_comes_first(known, tmp_path, monkeypatch):
    own = tmp_path / "own" / NAME
    own.parent.mkdir(parents=True)
    own.write_text("Good evening!\n")
    monkeypatch.setenv(FOLDER, str(tmp_path / "own"))
    assert fetch(NAME) == own
    own.unlink()
    assert fetch(NAME) == known / NAME


def test_a_file_that_is_not_the_known_one_is_refused_and_not_kept(known, published):
    folder, url = published
    (folder / "greeting.txt").write_bytes(b"Good night!\n")
    with pytest.raises(OSError) as refused:
        fetch(NAME)
    assert str(refused.value) == (
        f"{NAME} is missing: it is not in {known}, and what {url} serves is not the file that is known by its digest, "
        f"sha256:{hashlib.sha256(CONTENT).hexdigest()}; put it at {NAME} in a folder and set {FOLDER} to that folder")
    assert not (known / NAME).exists()


def test_a_missing_file_is_one_sentence_that_says_where_it_was_looked_for(known, published, tmp_path, monkeypatch):
    folder, url = published
    (folder / "greeting.txt").unlink()
    monkeypatch.setenv(FOLDER, str(tmp_path / "own"))
    with pytest.raises(OSError) as missing:
        fetch(NAME)
    assert str(missing.value) == (
        f"{NAME} is missing: neither {tmp_path / 'own'} ({FOLDER}) nor {known} holds it, and {url} cannot be had "
        f"(HTTPError); put it at {NAME} in a folder and set {FOLDER} to that folder")


def test_an_unknown_file_is_refused():
    with pytest.raises(ValueError, match="^there is no known file called 'mnist/test'; there are mnist/"):
        fetch("mnist/test")


def test_every_known_file_has_an_address_a_digest_and_a_licence():
    lengths = {"md5": 32, "sha256": 64}
    for file in FILES.values():
        algorithm, digest = file.digest.split(":")
        assert file.url.startswith("https://")
        assert len(digest) == lengths[algorithm]
        assert int(digest, 16)
        assert file.licence
