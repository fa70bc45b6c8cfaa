"""From voxels to derived DICOM objects."""
