"""Models from volume to volume: contracts, bundles, the runtime. Knows voxels, never DICOM."""
