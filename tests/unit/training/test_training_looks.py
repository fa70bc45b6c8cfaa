"""Bundles get looks: pinned, with a reference pair that their model meets."""

import any_contrast_bundle
import numpy as np
import phantom

from inference.bundle import open_bundle
from inference.look import look_of, looks_in
from inference.registry import verify
from inference.volume import Volume
from training import looks


def a_look():
    return look_of([phantom.head((5.0, 5.0, 5.0))], contrast="T1")


def histogram_bundle(folder):
    bundle = any_contrast_bundle.write(folder)
    manifest = bundle / "model.yaml"
    manifest.write_text(manifest.read_text().replace("family: nyul", "family: histogram"))
    return bundle


def small_heads(site, seeds):
    assert site == "ge-15t"
    return (phantom.head((6.0, 6.0, 6.0), seed=seed) for seed in seeds)


def test_looks_become_weights_and_the_reference_pair_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(looks, "heads_of", small_heads)
    folder, look = histogram_bundle(tmp_path), a_look()
    told = looks.write_bundle_looks(folder, {any_contrast_bundle.TARGET: look}, {"network.x": np.ones(2)})
    bundle = open_bundle(folder)
    assert told == f"{any_contrast_bundle.NAME}: {bundle.digest}"
    assert looks_in(bundle.weights())[any_contrast_bundle.TARGET].digest == look.digest
    assert bundle.weights()["network.x"].tolist() == [1, 1]
    assert verify(bundle) == 0


def test_every_site_gets_a_look_of_the_same_heads(monkeypatch):
    scanned = []

    def scan(head: int, site: object, *, seed: int) -> Volume:
        scanned.append((head, seed))
        return phantom.head((5.0, 5.0, 5.0), seed=seed)

    class Drawn(int):
        seed = property(int)

    monkeypatch.setattr(looks, "procedural_head", Drawn)
    monkeypatch.setattr(looks, "scan", scan)
    monkeypatch.setattr(looks, "SITES", {"here": object(), "there": object()})
    found = looks.site_looks(2, 40)
    assert set(found) == {"here", "there"}
    assert scanned == [(40, 40), (41, 41)] * 2
    assert all(look.contrast == "T1" and len(look.deep) == 2 for look in found.values())
