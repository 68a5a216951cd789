"""Files that are generated and committed are those of today's sources."""

from rtl.register_docs import HEADER, write_header, write_page


def test_header_is_that_of_the_register_map(tmp_path):
    fresh = tmp_path / HEADER.name
    write_header(fresh)
    assert HEADER.read_text() == fresh.read_text(), "stale: run `python -m rtl registers` and commit it"


def test_page_is_written(tmp_path):
    write_page(tmp_path)
    assert "Firstlight" in (tmp_path / "index.html").read_text()
