"""Files that are generated and committed are those of today's sources."""

import pytest

from rtl.register_docs import HEADER, TABLE, write_header, write_page, write_table


@pytest.mark.parametrize("committed, write", [(HEADER, write_header), (TABLE, write_table)])
def test_what_is_committed_is_that_of_the_register_map(tmp_path, committed, write):
    fresh = tmp_path / committed.name
    write(fresh)
    assert committed.read_text() == fresh.read_text(), "stale: run `python -m rtl registers` and commit it"


def test_page_is_written(tmp_path):
    write_page(tmp_path)
    assert "Firstlight" in (tmp_path / "index.html").read_text()
