import pytest
import torch

from model.config import SILENT
from model.encode import decode, encode
from model.network import Coding

CODINGS = [Coding(window=window, tau=tau, nearest=nearest)
           for window in (1, 4, 24, 31) for tau in (1, 2, 4) for nearest in (False, True)]


def slot_of(value, coding):
    """The first slot whose threshold is reached, by a sweep over the slots."""
    for slot in range(coding.window):
        if value >= 2 ** (-(slot + (0.5 if coding.nearest else 0)) / coding.tau):
            return slot
    return SILENT


@pytest.mark.parametrize("coding", CODINGS, ids=str)
def test_a_value_becomes_the_first_slot_whose_threshold_it_reaches(coding):
    torch.manual_seed(1)
    values = (torch.rand(300, dtype=torch.float64) ** 4).reshape(3, 1, 10, 10)
    values[0, 0, 0, :4] = torch.tensor([0, 0.25, 0.5, 1])
    codes = encode(values, coding)
    assert codes.dtype == torch.uint8 and codes.shape == values.shape
    assert codes.flatten().tolist() == [slot_of(value, coding) for value in values.flatten().tolist()]


def test_a_value_equal_to_a_threshold_reaches_it_and_one_below_does_not():
    values = torch.tensor([1, 0.5, 0.25, 0.125])
    coding = Coding(window=3, tau=1)
    assert encode(values, coding).tolist() == [0, 1, 2, SILENT]
    assert encode(values.nextafter(torch.tensor(0.0)), coding).tolist() == [1, 2, SILENT, SILENT]


@pytest.mark.parametrize("coding", CODINGS, ids=str)
def test_decoding_gives_the_worth_of_every_slot(coding):
    codes = torch.tensor([*range(coding.window), SILENT], dtype=torch.uint8)
    values = decode(codes, coding)
    assert values.tolist() == pytest.approx([2 ** (-slot / coding.tau) for slot in range(coding.window)] + [0])
    assert encode(values, coding).equal(codes)


@pytest.mark.parametrize("value, found", [(1.5, "0.5 to 1.5"), (-0.25, "-0.25 to 0.5"), (float("nan"), "nan to nan")])
def test_refuses_values_outside_0_to_1(value, found):
    with pytest.raises(ValueError, match=f"^values to encode lie between 0 and 1, found {found}$"):
        encode(torch.tensor([0.5, value]), Coding())
