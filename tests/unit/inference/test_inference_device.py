"""A device is there, or the refusal says what to ask for."""

import pytest

from inference.device import choose
from inference.errors import DeviceUnavailable


def test_the_cpu_is_always_there():
    assert choose("cpu") == "cpu"


@pytest.mark.parametrize("name", ["gpu", "cuda", "cuda:", "cuda:x", "CPU", ""])
def test_an_unknown_device_is_refused(name):
    with pytest.raises(DeviceUnavailable, match="auto, cpu or cuda:0"):
        choose(name)


@pytest.mark.parametrize(("present", "chosen"), [(0, "cpu"), (2, "cuda:0")])
def test_auto_takes_the_first_graphics_card_if_there_is_one(monkeypatch, present, chosen):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: present > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: present)
    assert choose("auto") == chosen


def test_a_graphics_card_that_is_not_there_is_refused(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose("cuda:0") == "cuda:0"
    with pytest.raises(DeviceUnavailable, match="1 CUDA devices"):
        choose("cuda:1")
