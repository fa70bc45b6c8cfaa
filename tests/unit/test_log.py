"""Logs: nothing of a data set gets into them, whatever breaks and whoever writes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from dicom_node.log import ALLOWED_KEYS, UID_KEYS, HashUids, allow_listed, culprit, printable, short_hash

SALT = b"0123456789abcdef"


def lines_of(script: str, *, form: str = "json", level: str = "info") -> list[str]:
    """Return what a process whose logs are set up writes to standard error; standard output stays empty."""
    setup = f"from dicom_node.log import set_up; set_up(form={form!r}, level={level!r}, salt={SALT!r})\n"
    done = subprocess.run([sys.executable, "-c", setup + script], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    return done.stderr.splitlines()


# --- processors


@pytest.mark.parametrize("key", ["patient_name", "PatientID", "series_uid", "value", "exception", "stack"])
def test_a_key_that_is_not_on_the_list_is_dropped(key: str) -> None:
    assert allow_listed(None, "info", {"event": "x", key: "DOE^JANE", "count": 3}) == {"event": "x", "count": 3}


def test_a_uid_stands_only_as_a_salted_hash_under_another_key() -> None:
    assert not UID_KEYS.keys() & ALLOWED_KEYS
    assert set(UID_KEYS.values()) <= ALLOWED_KEYS
    event = HashUids(SALT)(None, "info", {"event": "x", "series_uid": "1.2.3", "sop_instance_uid": "1.2.3.4"})
    assert event == {"event": "x", "series": short_hash(SALT, "1.2.3"), "instance": short_hash(SALT, "1.2.3.4")}
    assert short_hash(SALT, "1.2.3") != short_hash(SALT[::-1], "1.2.3")
    assert len(short_hash(SALT, "1.2.3")) == 10
    assert allow_listed(None, "info", dict(event)) == event


@pytest.mark.parametrize("text", ["AE\r\nlevel=error", "AE\x1b[2J", "AE\x00", "AE\x9b31m", "AE\u2028x", "AE\x7f"])
def test_a_value_can_neither_begin_a_line_nor_steer_a_terminal(text: str) -> None:
    logged = allow_listed(None, "info", {"event": "x", "calling_ae": text})["calling_ae"]
    assert logged.isprintable()
    assert logged.startswith("AE ")


def test_what_people_write_stays_as_it_is() -> None:
    assert printable("Müller – 病院 1.5 T") == "Müller – 病院 1.5 T"


def test_an_error_is_told_by_its_kind_and_innermost_line() -> None:
    def inner() -> None:
        raise ValueError("DOE^JANE")

    with pytest.raises(ValueError, match="DOE") as caught:
        inner()
    assert culprit(caught.value) == f"ValueError at test_log.py:{inner.__code__.co_firstlineno + 1}"
    assert culprit(KeyError("never raised")) == "KeyError"


# --- a process


def test_an_event_is_one_json_line_with_what_is_allowed() -> None:
    (line,) = lines_of("""
import structlog
log = structlog.get_logger()
log.debug("too_quiet")
with structlog.contextvars.bound_contextvars(study_uid="1.9", patient="DOE"):
    log.info("received", series_uid="1.2", calling_ae="A\\r\\nB", PatientName="DOE^JANE", count=2)
""")
    event = json.loads(line)
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "received", "level": "info", "study": short_hash(SALT, "1.9"), "series": short_hash(SALT, "1.2"),
        "calling_ae": "A  B", "count": 2,
    }  # fmt: skip


def test_for_people_an_event_is_one_line_too() -> None:
    (line,) = lines_of(
        "import structlog\nstructlog.get_logger().debug('seen', calling_ae='A\\n\\x1b[2JB', value='DOE')",
        form="console",
        level="debug",
    )
    assert "seen" in line
    assert "\x1b[2J" not in line
    assert "DOE" not in line


BREAKS = {
    "main": "raise ValueError('DOE^JANE')",
    "thread": "import threading\nt = threading.Thread(target=int, args=('DOE^JANE',))\nt.start()\nt.join()",
    "finalizer": "class Kept:\n    def __del__(self):\n        raise ValueError('DOE^JANE')\nKept()",
}


@pytest.mark.parametrize("where", BREAKS)
def test_an_error_that_nobody_foresaw_is_logged_without_its_message(where: str) -> None:
    (line,) = lines_of(BREAKS[where])
    event = json.loads(line)
    assert (event["event"], event["level"]) == ("unforeseen", "error")
    assert event["error"].startswith("ValueError")
    assert "DOE" not in line


def test_libraries_and_warnings_are_silent_whatever_they_say() -> None:
    loggers = (
        "pydicom",
        "pydicom.pixels",
        "pynetdicom.acse",
        "uvicorn.error",
        "nibabel.global",
        "asyncio",
        "new.one",
        "",
    )
    script = f"""
import logging, warnings
import nibabel, pydicom, pynetdicom
for name in {loggers!r}:
    logging.getLogger(name).setLevel(logging.DEBUG)
    logging.getLogger(name).critical("DOE^JANE")
    try:
        raise ValueError("DOE^JANE")
    except ValueError:
        logging.getLogger(name).exception("DOE^JANE")
warnings.warn("DOE^JANE")
with warnings.catch_warnings():
    warnings.simplefilter("always")
    warnings.warn("DOE^JANE")
pydicom.Dataset().PatientBirthDate = "DOE^JANE"  # a warning that quotes the value
"""
    assert lines_of(script) == []


def test_without_silence_the_same_would_be_heard() -> None:
    script = "import logging\nlogging.disable(logging.NOTSET)\nlogging.getLogger('new.one').critical('DOE^JANE')"
    assert lines_of(script) == ["DOE^JANE"]


def test_levels_hold() -> None:
    script = "import structlog\nlog = structlog.get_logger()\nlog.info('low')\nlog.warning('high')"
    assert [json.loads(line)["event"] for line in lines_of(script, level="warning")] == ["high"]
