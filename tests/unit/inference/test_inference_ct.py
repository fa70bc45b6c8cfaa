"""The body of a synthetic CT, the tissues of bulk density, and the two models made of them."""

from functools import cache

import numpy as np
import phantom
import pytest
from pydantic import ValidationError

from inference.classical.head import find_head
from inference.ct.body import find_body
from inference.ct.tissues import BulkClass, segment
from inference.errors import ModelRefused
from inference.look import look_of
from inference.manifest import CtLimits, Manifest, OutputSpec
from inference.registry import SHIPPED, Registry, load
from inference.volume import Volume

NAMES = ("synth-ct-bulk", "synth-ct-water")


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


@pytest.mark.parametrize("directions", [phantom.AXIAL, phantom.SAGITTAL, -phantom.CORONAL])
@pytest.mark.parametrize("spacing_mm", [(2.0, 2.0, 2.0), (1.0, 3.0, 3.0)])
def test_the_surface_of_the_body_is_placed_better_than_that_of_the_head(spacing_mm, directions):
    volume = phantom.head(spacing_mm, directions)
    head, truth = find_head(volume), phantom.inside(volume)
    body = find_body(volume, head=head)
    assert dice(body, truth) > max(0.985, dice(head.inside, truth) - 0.002)


def test_cavities_are_body_and_ghosts_are_not():
    volume = phantom.head((2.0, 2.0, 2.0))
    voxels = volume.voxels.copy()
    middle = [length // 2 for length in voxels.shape]
    cavity = tuple(slice(centre - 6, centre + 6) for centre in middle)
    voxels[cavity] = 10
    ghost = np.s_[middle[0] - 3 : middle[0] + 3, :4, :4]
    voxels[ghost] = 500
    body = find_body(Volume(voxels, volume.affine))
    assert body[cavity].all()
    assert not body[ghost].any()


def test_no_body_is_refused():
    with pytest.raises(ModelRefused, match="no head can be told"):
        find_body(Volume(np.zeros((30, 30, 30), np.float32), np.diag([4.0, 4, 4, 1])))


@cache
def with_parts():
    """Return a head with fat under its skin and an airway of 20 mm, and where these are."""
    volume = phantom.head((2.0, 2.0, 2.0))
    radius = phantom.radius(volume.voxels.shape, volume.affine)
    points = np.indices(volume.voxels.shape).reshape(3, -1)
    x, y, z = (volume.affine[:3, :3] @ points + volume.affine[:3, 3:]).reshape(3, *volume.voxels.shape)
    airway = (np.abs(x) < 10) & (y < -50) & (radius < 0.8) & (np.abs(z) < 30)
    fat = (radius > 0.93) & (radius < 1)
    voxels = np.where(airway, 10, volume.voxels).astype(np.float32)
    return volume.with_voxels(voxels), {BulkClass.AIR: airway, BulkClass.FAT: fat,
                                        BulkClass.BONE: (radius > 0.87) & (radius < 0.93),
                                        BulkClass.OUTSIDE: radius > 1}  # fmt: skip


def test_each_class_is_found_where_it_is():
    volume, parts = with_parts()
    head = find_head(volume)
    classes = segment(volume, find_body(volume, head=head), head)
    for each, where in parts.items():
        assert dice(classes == each, where) > 0.8, each.name
    assert (classes[~np.any(list(parts.values()), axis=0)] == BulkClass.SOFT_TISSUE).mean() > 0.97


def test_bright_marrow_between_the_tables_of_the_skull_is_bone():
    volume, _ = with_parts()
    radius = phantom.radius(volume.voxels.shape, volume.affine)
    marrow = (radius > 0.895) & (radius < 0.91)
    filled = volume.with_voxels(np.where(marrow, 700, volume.voxels).astype(np.float32))
    head = find_head(filled)
    classes = segment(filled, find_body(filled, head=head), head)
    assert (classes[marrow] == BulkClass.BONE).mean() > 0.9


@pytest.mark.parametrize("name", NAMES)
def test_a_model_gives_its_values_in_the_body_and_the_lowest_outside(name):
    bundle = Registry([SHIPPED]).get(name)
    volume, parts = with_parts()
    made = load(bundle)(volume).volume
    allowed = {"synth-ct-water": {-1024, 0}, "synth-ct-bulk": {-1024, -1000, -100, 40, 800}}[name]
    assert set(np.unique(made.voxels).tolist()) == allowed
    assert made.unit == "[hnsf'U]"
    assert (made.voxels[parts[BulkClass.OUTSIDE]] == -1024).mean() > 0.98


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("target", ["siemens-3t", look_of([phantom.head()], contrast="T1")])
def test_a_ct_aims_at_no_target(name, target):
    with pytest.raises(ModelRefused, match="takes no target"):
        load(Registry([SHIPPED]).get(name))(phantom.head(), target=target)


def changed(**values):
    document = Registry([SHIPPED]).get("synth-ct-bulk").manifest.model_dump(mode="json")
    return Manifest.model_validate(document | values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"output": {"kind": "mr", "unit": "1", "range": (0, 1)}}, "only there"),
        ({"qa": {}}, "needed where output.kind is ct"),
        ({"targets": {"a": {"values_per_unit": 1, "window_center": 1, "window_width": 1}},
          "output": {"kind": "ct", "unit": "[hnsf'U]", "range": (0, 1)}}, "a CT has none"),
    ],
)  # fmt: skip
def test_a_manifest_that_contradicts_itself_is_refused(values, words):
    assert changed().output.kind == "ct"
    with pytest.raises(ValidationError, match=words):
        changed(**values)


@pytest.mark.parametrize("values", [{"unit": "1"}, {"range": (-1024, 4000)}, {"range": (-2000, 3000)}])
def test_a_ct_is_in_hounsfield_units_and_in_their_range(values):
    with pytest.raises(ValidationError, match="a CT has the unit"):
        OutputSpec(**{"kind": "ct", "unit": "[hnsf'U]", "range": (-1024, 3000)} | values)


def test_limits_of_a_ct_are_ranges():
    with pytest.raises(ValidationError, match="bone_share: the lowest comes first"):
        CtLimits(bone_share=(0.3, 0.1), air_share=(0, 1), brain_hu=(0, 80))
