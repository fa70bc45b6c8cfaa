"""A DICOM node that sends each MR series through the model its routing rules name, and returns a derived series."""

__version__ = "0.1.0"
