"""The whitelist: which attributes of the source a derived image keeps, by module of PS3.3."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Module:
    """The part of a module that is copied; what is not named here does not survive.

    Attributes
    ----------
    name, clause
        As in PS3.3.
    required
        Keywords of type 2: present and empty where the source has none.
    kept
        Keywords that are copied where the source has them.
    """

    name: str
    clause: str
    required: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


COMMON_MODULES: tuple[Module, ...] = (
    Module("SOP Common", "C.12.1", kept=("SpecificCharacterSet",)),
    Module(
        "Patient", "C.7.1.1",
        required=("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
        kept=(
            "IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence", "TypeOfPatientID", "PatientBirthTime",
            "QualityControlSubject", "OtherPatientIDsSequence", "OtherPatientNames", "EthnicGroup", "PatientComments",
            "PatientSpeciesDescription", "PatientSpeciesCodeSequence", "PatientBreedDescription",
            "PatientBreedCodeSequence", "BreedRegistrationSequence", "ResponsiblePerson", "ResponsiblePersonRole",
            "ResponsibleOrganization", "StrainDescription", "StrainNomenclature", "PatientIdentityRemoved",
            "DeidentificationMethod", "DeidentificationMethodCodeSequence",
        ),
    ),
    Module(
        "Clinical Trial Subject", "C.7.1.3",
        kept=(
            "ClinicalTrialSponsorName", "ClinicalTrialProtocolID", "ClinicalTrialProtocolName", "ClinicalTrialSiteID",
            "ClinicalTrialSiteName", "ClinicalTrialSubjectID", "ClinicalTrialSubjectReadingID",
            "ClinicalTrialProtocolEthicsCommitteeName", "ClinicalTrialProtocolEthicsCommitteeApprovalNumber",
        ),
    ),
    Module(
        "General Study", "C.7.2.1",
        required=(
            "StudyInstanceUID", "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber",
        ),
        kept=(
            "ConsultingPhysicianName", "IssuerOfAccessionNumberSequence", "StudyDescription", "PhysiciansOfRecord",
            "NameOfPhysiciansReadingStudy", "ProcedureCodeSequence",
        ),
    ),
    Module(
        "Patient Study", "C.7.2.2",
        kept=(
            "AdmittingDiagnosesDescription", "AdmittingDiagnosesCodeSequence", "PatientAge", "PatientSize",
            "PatientWeight", "PatientBodyMassIndex", "MedicalAlerts", "Allergies", "SmokingStatus", "PregnancyStatus",
            "LastMenstrualDate", "PatientState", "Occupation", "AdditionalPatientHistory", "AdmissionID",
            "PatientSexNeutered",
        ),
    ),
    Module(
        "Clinical Trial Study", "C.7.2.3",
        kept=("ClinicalTrialTimePointID", "ClinicalTrialTimePointDescription"),
    ),
    Module(
        "General Series", "C.7.3.1",
        required=("PatientPosition",),
        kept=("Laterality", "ProtocolName", "BodyPartExamined", "AnatomicalOrientationType"),
    ),
    Module(
        "Frame of Reference", "C.7.4.1",
        required=("PositionReferenceIndicator",),
        kept=("FrameOfReferenceUID",),
    ),
    Module("General Equipment", "C.7.5.1", kept=("InstitutionName", "InstitutionAddress")),
)  # fmt: skip
"""The same for every image of the series: copied byte for byte from the file of the first slice."""

IMAGE_MODULES: tuple[Module, ...] = (
    Module("General Acquisition", "C.7.10.1",
           kept=("AcquisitionNumber", "AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime")),
    Module(
        "General Image", "C.7.6.1",
        kept=(
            "ImageLaterality", "RecognizableVisualFeatures", "LossyImageCompression", "LossyImageCompressionRatio",
            "LossyImageCompressionMethod",
        ),
    ),
    Module("General Anatomy", "10.5", kept=("AnatomicRegionSequence",)),
)  # fmt: skip
"""Of one image, whatever is derived: copied from the header of its frame."""

MR_MODULES: tuple[Module, ...] = (
    Module(
        "Image Plane", "C.7.6.2",
        required=("SliceThickness",),
        kept=(
            "PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient", "SpacingBetweenSlices", "SliceLocation",
        ),
    ),
    Module(
        "Contrast/Bolus", "C.7.6.4",
        kept=(
            "ContrastBolusAgent", "ContrastBolusRoute", "ContrastBolusVolume", "ContrastBolusStartTime",
            "ContrastBolusStopTime", "ContrastBolusTotalDose", "ContrastFlowRate", "ContrastFlowDuration",
            "ContrastBolusIngredient", "ContrastBolusIngredientConcentration",
        ),
    ),
    Module(
        "MR Image", "C.8.3.1",
        required=("ScanOptions", "MRAcquisitionType", "EchoTime", "EchoTrainLength"),
        kept=(
            "ScanningSequence", "SequenceVariant", "RepetitionTime", "InversionTime", "TriggerTime", "SequenceName",
            "AngioFlag", "NumberOfAverages", "ImagingFrequency", "ImagedNucleus", "EchoNumbers",
            "MagneticFieldStrength", "NumberOfPhaseEncodingSteps", "PercentSampling", "PercentPhaseFieldOfView",
            "PixelBandwidth", "NominalInterval", "BeatRejectionFlag", "LowRRValue", "HighRRValue", "IntervalsAcquired",
            "IntervalsRejected", "PVCRejection", "SkipBeats", "HeartRate", "CardiacNumberOfImages", "TriggerWindow",
            "ReconstructionDiameter", "ReceiveCoilName", "TransmitCoilName", "AcquisitionMatrix",
            "InPlanePhaseEncodingDirection", "FlipAngle", "SAR", "VariableFlipAngleFlag", "dBdt", "B1rms",
            "TemporalPositionIdentifier", "NumberOfTemporalPositions", "TemporalResolution",
        ),
    ),
)  # fmt: skip
"""Of one MR image on the grid of its source: copied from the header of its frame, too."""

EQUIPMENT_KEYWORDS: tuple[str, ...] = (
    "Manufacturer", "InstitutionName", "InstitutionAddress", "StationName", "InstitutionalDepartmentName",
    "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions",
)  # fmt: skip
"""Of the source's General Equipment Module, into its Contributing Equipment item (PS3.3 C.12.1)."""
