"""The folder of added looks: whole files, names that stay inside, nothing written over."""

import threading

import numpy as np
import phantom
import pytest
from safetensors.numpy import load, save

from inference.added import AddedLooks
from inference.errors import BundleRefused
from inference.look import LEVELS, Look, look_of


@pytest.fixture
def look():
    return look_of([phantom.head((4.0, 4.0, 4.0))], contrast="T1")


@pytest.fixture
def added(tmp_path):
    return AddedLooks(tmp_path / "targets")


def test_a_look_is_read_as_it_was_written(added, look):
    path = added.put("our-3t", look)
    assert added.get("our-3t").digest == look.digest
    assert list(added.looks()) == ["our-3t"]
    assert [each.name for each in added.folder.iterdir()] == [path.name]


def test_nothing_but_percentiles_is_written(added, look):
    tensors = load(added.put("our-3t", look).read_bytes())
    assert {name: tensor.shape for name, tensor in tensors.items()} == {
        "look.T1.deep": (1, LEVELS.size), "look.T1.head": (1, LEVELS.size),
    }  # fmt: skip


def test_a_folder_that_is_not_there_holds_nothing(added):
    assert (added.looks(), added.refused(), added.has("our-3t")) == ({}, {}, False)


def test_nothing_is_written_over_unless_asked(added, look):
    other = Look("T1", look.deep * 1.1, look.head)
    added.put("our-3t", look)
    for refuses in (lambda: added.put("our-3t", other), lambda: added.check_new("our-3t")):
        with pytest.raises(BundleRefused, match="there is an added target 'our-3t' already"):
            refuses()
    assert added.get("our-3t").digest == look.digest
    added.check_new("our-3t", replace=True)
    added.put("our-3t", other, replace=True)
    assert added.get("our-3t").digest == other.digest
    assert len(list(added.folder.iterdir())) == 1


def test_of_two_that_write_the_same_name_at_once_one_is_refused(added, look):
    together, outcomes = threading.Barrier(2), []

    def put():
        together.wait()
        try:
            outcomes.append(added.put("our-3t", look).name)
        except BundleRefused:
            outcomes.append("refused")

    threads = [threading.Thread(target=put) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["our-3t.safetensors", "refused"]


@pytest.mark.parametrize("name", ["", "../evil", "a/b", ".hidden", "Upper", "a" * 65, "nul\0", "line\nbreak"])
def test_a_name_that_could_lead_elsewhere_is_refused(added, look, name):
    for refuses in (added.get, added.remove, lambda name: added.put(name, look)):
        with pytest.raises(BundleRefused, match="cannot name a target"):
            refuses(name)
    assert not added.has(name)
    assert not added.folder.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a safetensors file"),
        (b"\x80\x04\x95", "not a safetensors file"),
        (save({"other": np.zeros(3)}), "holds no look"),
        (save({"look.T1.deep": np.zeros((1, 3)), "look.T1.head": np.zeros((1, 3))}), "percentiles"),
        (b" " * ((1 << 20) + 1), "too large for a look"),
    ],
)
def test_a_file_that_is_no_look_is_told_beside_the_others(added, look, content, words):
    added.put("good", look)
    broken = added.folder / "broken.safetensors"
    broken.write_bytes(content)
    assert list(added.looks()) == ["good"]
    assert words in added.refused()[broken]
    assert added.has("broken")
    with pytest.raises(BundleRefused, match=words):
        added.get("broken")
    added.remove("broken")
    assert added.refused() == {}


def test_a_contrast_that_nobody_knows_is_refused(added, look):
    added.put("odd", Look("T9", look.deep, look.head))
    with pytest.raises(BundleRefused, match="contrast is none that is known"):
        added.get("odd")


def test_what_is_not_there_cannot_be_read_or_removed(added):
    for refuses in (added.get, added.remove):
        with pytest.raises(BundleRefused, match="there is no added target 'our-3t'"):
            refuses("our-3t")
