"""Where networks run."""

from __future__ import annotations

from inference.errors import DeviceUnavailable


def choose(preference: str) -> str:
    """Return the device to use: ``cpu``, or ``cuda:<n>``.

    torch is imported here, and only when a graphics card is in question: it takes seconds.

    Parameters
    ----------
    preference
        ``cpu``; ``cuda:<n>``; or ``auto``, the first graphics card if there is one.

    Raises
    ------
    DeviceUnavailable
        When the named device is not there or not known.
    """
    if preference == "cpu":
        return "cpu"
    kind, _, number = preference.partition(":")
    if preference != "auto" and not (kind == "cuda" and number.isdecimal()):
        raise DeviceUnavailable(f"device '{preference}' is not known: give auto, cpu or cuda:0")
    import torch

    present = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if preference == "auto":
        return "cuda:0" if present else "cpu"
    if int(number) >= present:
        raise DeviceUnavailable(f"device '{preference}' is not there: {present} CUDA devices are visible")
    return preference
