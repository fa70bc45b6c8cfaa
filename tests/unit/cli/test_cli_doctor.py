"""``doctor``: every check fails where it should, says what to do, and leaves nothing behind."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import any_contrast_bundle
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from dicom_node import app
from dicom_node.cli import doctor
from dicom_node.errors import RefusedToStart
from dicom_node.receive.own_certificate import valid_until
from dicom_node.receive.tls import TlsFiles
from dicom_node.settings import load_settings
from dicom_node.spool.identity import claim
from inference import registry
from inference.registry import SHIPPED

NO_DESTINATIONS = "version: 1\ndestinations: {}\nrules: []\n"
CHECKS = [
    "configuration",
    "disk",
    "ledger",
    "models",
    "added targets",
    "rules",
    "clock",
    "listen",
    "certificates",
    "audit",
    "console",
]
QUICK = "harmonize-nyul"
"""Of the models that are shipped the one that is verified at once: each examination verifies all that it finds."""


@pytest.fixture(autouse=True)
def one_is_shipped(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.mktemp("shipped")
    (folder / QUICK).symlink_to(SHIPPED / QUICK)
    monkeypatch.setattr(registry, "SHIPPED", folder)


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """Return the folder of a node that never ran and that nothing is wrong with."""
    (tmp_path / "rules.yaml").write_text(NO_DESTINATIONS)
    (tmp_path / "node.yaml").write_text(
        "rules: rules.yaml\nretention: {min_free_gib: 0}\nlisten: {port: 0}\nconsole: {port: 0}\n"
    )
    return tmp_path


@pytest.fixture
def taken() -> Iterator[int]:
    """Return a port that something listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def examine(run: Any, node: Path) -> Any:
    """Return what runs the doctor with changes of the settings: check -> what it says, of those that fail."""

    def examine(**more: str) -> dict[str, str]:
        with (node / "node.yaml").open("a") as file:
            file.writelines(f"{key}: {value}\n" for key, value in more.items())
        done = run("doctor", "--json")
        rows = json.loads(done.out)
        assert done.status == (0 if all(row["ok"] for row in rows) else 1)
        return {row["check"]: row["detail"] for row in rows if not row["ok"]}

    return examine


def test_a_healthy_node_is_well_and_nothing_is_left_behind(run: Any, node: Path) -> None:
    before = sorted(node.rglob("*"))
    rows = run("doctor", "--json").json
    assert [row["check"] for row in rows] == CHECKS
    assert all(row["ok"] and row["detail"] for row in rows)
    assert QUICK in rows[CHECKS.index("models")]["detail"]
    people = run("doctor")
    assert people.status == 0
    assert [line.split(":")[0] for line in people.out.splitlines()] == [f"ok    {check}" for check in CHECKS]
    assert sorted(node.rglob("*")) == before


def test_a_node_that_has_run_is_told_with_its_series(run: Any, worked: Path) -> None:
    done = run("doctor", "--config", worked / "node.yaml")
    assert "ok    ledger: 4 series\n" in done.out
    assert "test-any-contrast, test-t1-only give what they should" in done.out


@pytest.mark.network
def test_a_dead_destination_is_told_with_what_to_do(examine: Any, node: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = closed.getsockname()[1]
    destination = f"{{kind: dicom, host: 127.0.0.1, port: {dead}, ae_title: PACS}}"
    (node / "rules.yaml").write_text(NO_DESTINATIONS.replace("{}", f"{{pacs: {destination}}}"))
    found = examine()
    assert found.keys() == {"destination pacs"}
    assert found["destination pacs"].startswith(f"connection refused by 127.0.0.1:{dead}: is the PACS running")


@pytest.mark.network
def test_a_pacs_that_does_not_answer_for_counts_is_told_with_what_to_do(examine: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = closed.getsockname()[1]
    found = examine(completeness=f"{{count_from: {{host: 127.0.0.1, port: {dead}, ae_title: PACS}}}}")
    assert found.keys() == {"completeness.count_from"}
    assert found["completeness.count_from"].startswith(f"PACS@127.0.0.1:{dead} takes no association for C-FIND")


def test_too_little_space_is_told(examine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOM_NODE__RETENTION__MIN_FREE_GIB", "1000000000")
    found = examine()
    assert found.keys() == {"disk"}
    assert "retention.min_free_gib asks for 1e+09: free some, or nothing is received" in found["disk"]


def test_a_data_folder_that_cannot_be_written_is_told(examine: Any, node: Path) -> None:
    (node / "file").touch()
    found = examine(data_dir="file/var")
    assert found["disk"] == f"data_dir: {node / 'file'} cannot be written: Not a directory"


def test_a_damaged_ledger_is_told(examine: Any, node: Path) -> None:
    (node / "var").mkdir()
    (node / "var" / "ledger.sqlite").write_bytes(b"no database" * 1000)
    assert examine().keys() == {"ledger"}


def test_no_model_at_all_is_told(examine: Any, node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "SHIPPED", node / "none")
    assert examine() == {"models": "there are none: name folders of bundles in infer.models"}


def test_every_model_that_is_not_as_it_should_be_is_told(examine: Any, node: Path) -> None:
    bundle = any_contrast_bundle.write(node / "models")
    (bundle / "weights.safetensors").write_bytes(b"changed")
    found = examine(infer="{models: [models, elsewhere]}")
    assert found["models"].startswith(f"infer.models: {node / 'elsewhere'}: there is no such folder; ")
    assert "weights.safetensors: changed: its SHA-256 is not the one in model.yaml" in found["models"]


def test_rules_that_are_broken_or_not_there_are_told_with_what_to_do(examine: Any, node: Path) -> None:
    (node / "rules.yaml").write_text(NO_DESTINATIONS.replace("1", "2"))
    assert examine()["rules"].startswith(f"{node / 'rules.yaml'}:1: version: ")
    (node / "rules.yaml").unlink()
    assert examine()["rules"].endswith("rules.yaml is not there: write it, or name another in the setting 'rules'")


def test_a_clock_that_was_never_set_is_told(examine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_EARLIEST", doctor._EARLIEST.replace(year=9999))
    assert "set it, or derived series carry wrong dates" in examine()["clock"]


@pytest.mark.network
@pytest.mark.parametrize("key", ["listen", "console"])
def test_a_port_that_is_taken_is_told(examine: Any, monkeypatch: pytest.MonkeyPatch, taken: int, key: str) -> None:
    monkeypatch.setenv(f"DICOM_NODE__{key.upper()}__PORT", str(taken))
    found = examine()
    assert found == {
        key: f"127.0.0.1:{taken} cannot be taken (Address already in use): stop what holds it, or set {key}.port or "
        f"{key}.host"
    }


@pytest.mark.network
def test_a_port_that_the_running_node_holds_is_well(
    examine: Any, node: Path, monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    (node / "var").mkdir()
    monkeypatch.setenv("DICOM_NODE__LISTEN__PORT", str(taken))
    with claim(node / "var", "receiver"):
        assert examine() == {}


Certify: TypeAlias = Callable[..., str]


@pytest.fixture
def certify(node: Path) -> Certify:
    """Return what gives the node a certificate for some days, and returns the setting that names it."""

    def certify(*, days: float, authority: str = "null") -> str:
        own = trustme.CA().issue_cert("127.0.0.1", not_after=datetime.now(UTC) + timedelta(days=days))
        own.private_key_pem.write_to_path(str(node / "node.key"))
        own.cert_chain_pems[0].write_to_path(str(node / "node.pem"))
        return f"{{port: 0, tls: {{certificate: node.pem, key: node.key, client_ca: {authority}}}}}"

    return certify


@pytest.mark.parametrize(("days", "told"), [(100.5, "100 days"), (7.5, "7 days: renew soon")])
def test_a_certificate_is_told_with_how_long_it_holds(
    run: Any, node: Path, certify: Certify, days: float, told: str
) -> None:
    (node / "node.yaml").write_text((node / "node.yaml").read_text().replace("{port: 0}", certify(days=days), 1))
    until = datetime.now(UTC) + timedelta(days=days)
    (row,) = [row for row in run("doctor", "--json").json if row["check"] == "certificates"]
    assert row == {"check": "certificates", "ok": True, "detail": f"valid until {until:%Y-%m-%d}, {told}"}


def test_a_certificate_that_has_ended_is_told(certify: Certify, node: Path) -> None:
    with pytest.raises(RefusedToStart, match=r"node\.pem: certificate has expired: get a new one, or set the clock"):
        valid_until(files_of(node, certify(days=-1)))


def test_a_key_of_another_certificate_is_told(certify: Certify, node: Path) -> None:
    settings = certify(days=9)
    trustme.CA().issue_cert("127.0.0.1").private_key_pem.write_to_path(str(node / "node.key"))
    with pytest.raises(RefusedToStart, match=r"node\.key cannot be used: .*MISMATCH"):
        valid_until(files_of(node, settings))


def test_a_certificate_that_is_not_there_is_told_by_the_doctor(examine: Any, node: Path, certify: Certify) -> None:
    text = (node / "node.yaml").read_text().replace("{port: 0}", certify(days=9, authority="other.pem"), 1)
    (node / "node.yaml").write_text(text)
    found = examine()
    assert found.keys() == {"certificates"}
    assert "other.pem cannot be used: No such file or directory" in found["certificates"]


def test_the_authority_of_the_senders_counts_too(node: Path, certify: Certify) -> None:
    files = files_of(node, certify(days=9, authority="ca.pem"))
    for days in (5, -1):
        (node / "ca.pem").write_bytes(authority(days=days))
        if days > 0:
            assert (valid_until(files) - datetime.now(UTC)).days == 4
        else:
            with pytest.raises(RefusedToStart, match=r"a certificate in .*ca\.pem ended on"):
                valid_until(files)


def test_an_audit_that_cannot_speak_tls_is_told(examine: Any) -> None:
    assert examine(audit="{to: syslog, ca_file: none.pem}").keys() == {"audit"}


def files_of(node: Path, listen: str) -> TlsFiles:
    (node / "node.yaml").write_text(f"listen: {listen}\n")
    files = app.tls_files(load_settings(node / "node.yaml").listen)
    assert files is not None
    return files


def authority(*, days: float) -> bytes:
    """Return the certificate of an authority that began ten days ago, PEM."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Scanners")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    return made.sign(key, SHA256()).public_bytes(Encoding.PEM)
