"""The errors of the runtime.

::

    InferenceError
    ├── BundleRefused        a folder that is no bundle, or one that was changed: do not use it
    ├── DeviceUnavailable    the device that was asked for is not there
    └── ModelRefused         the model will not take this volume or target; the message is the reason
"""


class InferenceError(Exception):
    """Anything that the runtime itself raises; messages never hold voxel values."""


class BundleRefused(InferenceError):
    """A bundle that is missing, malformed or changed; the message names folder and key."""


class DeviceUnavailable(InferenceError):
    """The device that was asked for is not there."""


class ModelRefused(InferenceError):
    """A volume or target that the model will not take; the message is a reason that an admin understands."""
