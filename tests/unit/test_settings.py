"""Settings: each key from the file and from the environment; each mistake with where it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from dicom_node.app import receiver_limits
from dicom_node.errors import RefusedToStart
from dicom_node.receive.limits import ReceiverLimits
from dicom_node.settings import CallingAe, CommitmentPeer, CountFrom, PeerTls, Settings, load_settings

# key -> as YAML, as a variable, what comes of it; paths are relative to the file's folder
KEYS: dict[str, tuple[str, str, Any]] = {
    "ae_title": ("OURS", "OURS", "OURS"),
    "listen.host": ("0.0.0.0", "0.0.0.0", "0.0.0.0"),
    "listen.port": ("104", "104", 104),
    "listen.processes": ("1", "1", 1),
    "listen.tls": ("null", "null", None),
    "listen.limits.associations": ("7", "7", 7),
    "listen.limits.associations_per_peer": ("3", "3", 3),
    "listen.limits.pdu_bytes": ("16384", "16384", 16384),
    "listen.limits.instance_gib": ("0.5", "0.5", 0.5),
    "listen.limits.request_s": ("2", "2", 2.0),
    "listen.limits.pdu_s": ("9", "9", 9.0),
    "listen.limits.idle_s": ("30", "30", 30.0),
    "listen.limits.association_s": ("60", "60", 60.0),
    "calling_ae": ("[{ae_title: CT1, hosts: [h]}]", '[{"ae_title": "CT1", "hosts": ["h"]}]',
                   (CallingAe(ae_title="CT1", hosts=("h",)),)),
    "data_dir": ("data", "data", "BASE/data"),
    "database_url": ("sqlite:///x", "sqlite:///x", "sqlite:///x"),
    "rules": ("site/rules.yaml", "site/rules.yaml", "BASE/site/rules.yaml"),
    "completeness.settle_s": ("0.5", "0.5", 0.5),
    "completeness.settle_min_s": ("0.2", "0.2", 0.2),
    "completeness.silence_s": ("60", "60", 60.0),
    "completeness.late": ("never", "never", "never"),
    "completeness.count_from": (
        "{host: pacs, ae_title: PACS}", '{"host": "pacs", "ae_title": "PACS"}',
        CountFrom(host="pacs", port=104, ae_title="PACS"),
    ),
    "infer.executor": ("local", "local", "local"),
    "infer.device": ("cuda:1", "cuda:1", "cuda:1"),
    "infer.timeout_s": ("5", "5", 5.0),
    "infer.attempts": ("1", "1", 1),
    "infer.models": ("[models, /abs]", '["models", "/abs"]', ("BASE/models", "/abs")),
    "infer.targets": ("looks", "looks", "BASE/looks"),
    "deliver.retry_first_s": ("1", "1", 1.0),
    "deliver.retry_max_s": ("9", "9", 9.0),
    "derived.series_number_offset": ("5000", "5000", 5000),
    "derived.ct_intercept_hu": ("-8192", "-8192", -8192),
    "derived.ct_kvp": ("120", "120", 120.0),
    "console.host": ("'::1'", "::1", "::1"),
    "console.port": ("0", "0", 0),
    "retention.keep_days": ("0.5", "0.5", 0.5),
    "retention.min_free_gib": ("0", "0", 0.0),
    "retention.facts_series": ("0", "0", 0),
    "commitment.accept": ("true", "true", True),
    "commitment.peers": (
        "[{ae_title: MR1, host: mr1}]", '[{"ae_title": "MR1", "host": "mr1"}]',
        (CommitmentPeer(ae_title="MR1", host="mr1", port=104),),
    ),
    "commitment.port": ("11112", "11112", 11112),
    "commitment.wait_s": ("0", "0", 0.0),
    "commitment.retry_first_s": ("1", "1", 1.0),
    "commitment.retry_max_s": ("9", "9", 9.0),
    "commitment.give_up_days": ("1", "1", 1.0),
    "mpps.accept": ("false", "false", False),
    "audit.to": ("syslog", "syslog", "syslog"),
    "audit.file": ("logs/audit.log", "logs/audit.log", "BASE/logs/audit.log"),
    "audit.host": ("10.0.0.30", "10.0.0.30", "10.0.0.30"),
    "audit.port": ("601", "601", 601),
    "audit.tls": ("false", "false", False),
    "audit.ca_file": ("ca.pem", "ca.pem", "BASE/ca.pem"),
    "audit.certificate": ("node.pem", "node.pem", "BASE/node.pem"),
    "audit.key": ("node.key", "node.key", "BASE/node.key"),
    "audit.keep_days": ("30", "30", 30.0),
    "log.format": ("console", "console", "console"),
    "log.level": ("debug", "debug", "debug"),
}  # fmt: skip


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where ./node.yaml is looked for."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "node.yaml"


def yaml_of(key: str, value: str) -> str:
    *parts, name = key.split(".")
    nested = f"{name}: {value}"
    for part in reversed(parts):
        nested = f"{part}: {{{nested}}}"
    return nested + "\n"


def variable_of(key: str) -> str:
    return "DICOM_NODE__" + key.upper().replace(".", "__")


def value_of(settings: Settings, key: str, base: Path) -> Any:
    """Return the value of a key, paths as text in which BASE stands for the folder."""
    value: Any = settings
    for name in key.split("."):
        value = getattr(value, name)
    paths = value if isinstance(value, tuple) else (value,)
    if any(isinstance(path, Path) for path in paths):
        texts = tuple(str(path).replace(str(base), "BASE") for path in paths)
        return texts if isinstance(value, tuple) else texts[0]
    return value


def refusal(path: Path | None = None) -> str:
    with pytest.raises(RefusedToStart) as refused:
        load_settings(path)
    return str(refused.value)


def leaves(model: type[BaseModel], prefix: str = "") -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        part = field.annotation
        is_part = isinstance(part, type) and issubclass(part, BaseModel)
        found |= leaves(part, f"{prefix}{name}.") if is_part else {prefix + name}
    return found


def test_the_table_above_holds_every_key() -> None:
    assert set(KEYS) == leaves(Settings)


@pytest.mark.parametrize("key", KEYS)
def test_every_key_comes_from_the_file(file: Path, key: str) -> None:
    in_yaml, _, expected = KEYS[key]
    file.write_text(yaml_of(key, in_yaml))
    assert value_of(load_settings(), key, file.parent) == expected


@pytest.mark.parametrize("key", KEYS)
def test_every_key_comes_from_the_environment(file: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    _, in_variable, expected = KEYS[key]
    monkeypatch.setenv(variable_of(key), in_variable)
    assert value_of(load_settings(), key, file.parent) == expected


def test_without_file_and_environment_the_defaults_hold(file: Path) -> None:
    settings = load_settings()
    assert (settings.ae_title, settings.listen.host, settings.listen.port) == ("HARMONIZE", "127.0.0.1", 11112)
    assert (settings.data_dir, settings.rules) == (file.parent / "var", file.parent / "routing_rules.yaml")
    assert settings.targets_dir == file.parent / "var" / "targets"
    assert settings.ledger_url == f"sqlite:///{file.parent / 'var' / 'ledger.sqlite'}"


def test_relative_paths_lie_beside_the_file_and_not_where_the_command_runs(file: Path) -> None:
    site = file.parent / "site"
    site.mkdir()
    (site / "mine.yaml").write_text("data_dir: data\ninfer: {models: [models], targets: looks}\n")
    settings = load_settings(Path("site/mine.yaml"))
    assert settings.data_dir == site / "data"
    assert settings.rules == site / "routing_rules.yaml"
    assert settings.infer.models == (site / "models",)
    assert settings.targets_dir == site / "looks"


def test_certificates_lie_beside_the_file_too(file: Path) -> None:
    file.write_text("listen: {tls: {certificate: tls/node.pem, key: /etc/node.key}}\n")
    tls = load_settings().listen.tls
    assert tls is not None
    assert (tls.certificate, tls.key, tls.client_ca) == (file.parent / "tls/node.pem", Path("/etc/node.key"), None)


def test_certificates_for_reports_on_commitment_lie_beside_the_file_too(file: Path) -> None:
    tls = "{ca_file: ca.pem, certificate: /etc/node.pem}"
    file.write_text(f"commitment: {{peers: [{{ae_title: A, host: a, tls: {tls}}}, {{ae_title: B, host: b}}]}}\n")
    first, second = load_settings().commitment.peers
    assert first.tls == PeerTls(ca_file=file.parent / "ca.pem", certificate=Path("/etc/node.pem"))
    assert second.tls is None


def test_the_limits_of_a_node_are_those_of_a_receiver() -> None:
    assert receiver_limits(Settings().listen.limits) == ReceiverLimits()


def test_the_environment_goes_before_the_file_and_leaves_its_other_keys(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("listen: {host: 0.0.0.0, port: 104}\n")
    monkeypatch.setenv("DICOM_NODE__LISTEN__PORT", "11113")
    listen = load_settings().listen
    assert (listen.host, listen.port) == ("0.0.0.0", 11113)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("lissten: {}", "1: lissten: not a key that is known here; did you mean 'listen'?"),
        ("\nlisten:\n  prot: 4", "3: listen.prot: not a key that is known here; did you mean 'port'?"),
        ("listen: {port: 65536}", "1: listen.port: must be less than or equal to 65535"),
        ("listen: {port: many}", "1: listen.port: must be a whole number"),
        ("listen: {processes: 4}", "1: listen.processes: one process receives, in this version: leave it out"),
        ("listen: 104", "1: listen: must hold keys with values"),
        ("ae_title: SEVENTEEN_LETTERS", "1: ae_title: an AE title has 1 to 16 printable ASCII characters"),
        ("calling_ae: SCANNER", "1: calling_ae: must be 'any', or a list of {ae_title, hosts}"),
        ("calling_ae:\n- {ae_title: A}\n- {hosts: [b]}", "3: calling_ae[1].ae_title: is required"),
        ("calling_ae: [{ae_title: A, host: b}]", "1: calling_ae[0].host: not a key that is known here"),
        ("completeness: {late: always}", "1: completeness.late: must be 'never', 'replace' or 'new_series'"),
        ("console: {host: 0.0.0.0}", "1: console.host: must be '127.0.0.1', '::1' or 'localhost'"),
        ("retention: {keep_days: .inf}", "1: retention.keep_days: must be a finite number"),
        ("retention: {keep_days: 1e9}", "1: retention.keep_days: must be less than or equal to 36500"),
        ("infer: {timeout_s: 0}", "1: infer.timeout_s: must be greater than 0"),
        ("infer: {models: models}", "1: infer.models: must be a list"),
    ],
)
def test_a_mistake_in_the_file_names_line_and_key(file: Path, text: str, problem: str) -> None:
    file.write_text(text)
    assert refusal().startswith(f"node.yaml:{problem}")
    assert "(and" not in refusal()


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("LISTEN__PORT", "x", "LISTEN__PORT: must be a whole number"),
        ("LISTEN__PROT", "4", "LISTEN__PROT: not a key that is known here; did you mean 'port'?"),
        ("LISTEM__PORT", "4", "LISTEM__PORT: not a setting; did you mean 'LISTEN'?"),
        ("LISTEN", "{bad", "LISTEN: must hold keys with values, written as JSON"),
        ("LISTEN", '{"prot": 4}', "LISTEN: prot: not a key that is known here; did you mean 'port'?"),
        ("LISTEN__PORT__X", "1", "LISTEN__PORT__X: must be a whole number"),
        ("CALLING_AE", "SCANNER", "CALLING_AE: must be 'any', or a list of {ae_title, hosts}"),
        ("CALLING_AE", '[{"hosts": []}]', "CALLING_AE: 0.ae_title: is required"),
        ("INFER__MODELS", "/models", "INFER__MODELS: must be a list, written as JSON"),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable_whatever_the_file_says(
    file: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, problem: str
) -> None:
    file.write_text("listen: {port: 104}\ncalling_ae: any\ninfer: {models: []}\n")
    monkeypatch.setenv(f"DICOM_NODE__{variable}", value)
    assert refusal() == f"environment: DICOM_NODE__{problem}"


def test_a_mistake_in_the_file_is_not_blamed_on_a_variable_beside_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("listen: {port: x}\n")
    monkeypatch.setenv("DICOM_NODE__LISTEN__HOST", "0.0.0.0")
    assert refusal() == "node.yaml:1: listen.port: must be a whole number"


def test_a_mistake_in_the_file_that_a_variable_mends_is_none(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("listen: {port: x}\n")
    monkeypatch.setenv("DICOM_NODE__LISTEN__PORT", "104")
    assert load_settings().listen.port == 104


def test_all_mistakes_are_counted(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("lissten: {}\nlog: {level: loud}\n")
    monkeypatch.setenv("DICOM_NODE__CONSOLE__PORT", "x")
    assert refusal() == "environment: DICOM_NODE__CONSOLE__PORT: must be a whole number (and 2 more)"


def test_a_password_never_stands_in_a_message_or_behind_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOM_NODE__DATABASE_URL", "postgresql+psycopg://node:hunter2@db/ledger")
    monkeypatch.setenv("DICOM_NODE__LISTEN", '{"password": "hunter2"}')
    with pytest.raises(RefusedToStart) as refused:
        load_settings()
    chain = [refused.value, refused.value.__cause__, refused.value.__context__]
    assert "hunter2" not in repr(chain)


def test_a_file_that_is_not_there_is_refused_only_when_it_was_named(file: Path) -> None:
    assert refusal(file) == f"{file}: cannot be read: No such file or directory"
    assert load_settings().ae_title == "HARMONIZE"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().ae_title = "OTHER"
