"""The DICOM upper-layer code that receive and deliver share."""
