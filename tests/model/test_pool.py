import pytest
import torch

from model.config import SILENT
from model.pool import earliest


@pytest.mark.parametrize("side", [1, 2, 3, 4])
@pytest.mark.parametrize("height, width", [(4, 4), (5, 7), (6, 9)])
def test_the_earliest_spike_of_a_window_wins(side, height, width):
    codes = torch.randint(32, (2, 3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(side))
    pooled = earliest(codes, side)
    assert pooled.dtype == torch.uint8

    def window(channel, y, x):
        return [int(channel[y * side + dy, x * side + dx]) for dy in range(side) for dx in range(side)]

    rows, columns = range(height // side), range(width // side)
    assert pooled.tolist() == [[[[min(window(channel, y, x)) for x in columns] for y in rows]
                                for channel in image] for image in codes]


def test_a_window_is_silent_only_when_all_of_it_is():
    codes = torch.full((1, 1, 2, 4), SILENT, dtype=torch.uint8)
    codes[0, 0, 1, 3] = 30
    assert earliest(codes, 2).tolist() == [[[[SILENT, 30]]]]


def test_rows_and_columns_left_over_are_dropped():
    codes = torch.full((1, 1, 5, 3), 9, dtype=torch.uint8)
    codes[..., 4, :] = codes[..., :, 2] = 0
    assert earliest(codes, 2).tolist() == [[[[9], [9]]]]
