"""A full disk, a file system that turned read-only, a map that is too small: a clear error, nothing lost, and it goes on when
there is room."""

import json
import os
import subprocess

import pytest

from processes import run_postern

ROWS = 60_000
FILE = "email,date,reason\n" + "".join(f"someone{number}@example.com,2024-03-01,why not\n" for number in range(ROWS))


@pytest.fixture
def small_disk(directory):
    """A file system of 8 MiB: (its folder, a function that mounts it anew with other options)."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    place = directory / "disk"
    place.mkdir()

    def mount(*options):
        subprocess.run(["mount", *options, str(place)], check=True, capture_output=True)

    mount("-t", "tmpfs", "-o", "size=8m", "postern-test")
    yield place, lambda options: mount("-o", f"remount,{options}")
    subprocess.run(["umount", str(place)], check=True)


def verify(store):
    assert "sound" in run_postern("verify", "--store", store).stdout


def contacts(store):
    return json.loads(run_postern("stats", "--json", "--store", store).stdout)["contacts"]


def test_a_full_disk(small_disk, directory):
    disk, remount = small_disk
    store = disk / "store"
    path = directory / "rows.csv"
    path.write_text(FILE)
    run_postern("import", "--store", store, "-", input="first@example.com\n")
    done = run_postern("import", "--store", store, path, expect=3)
    assert "disk is full" in done.stderr or "No space left" in done.stderr, done.stderr
    verify(store)
    run_postern("check", "--store", store, "first@example.com", expect=1)
    stored = contacts(store)
    for verb in (["compact"], ["backup", disk / "backup"]):
        failed = run_postern(verb[0], "--store", store, *verb[1:], expect=None)
        if failed.returncode != 0:
            assert failed.returncode == 3 and ("full" in failed.stderr or "room" in failed.stderr), failed.stderr
    verify(store)
    assert contacts(store) == stored
    remount("size=200m")
    again = run_postern("import", "--store", store, path)
    assert f"{ROWS} rows: " in again.stdout and again.stdout.endswith(" 0 rejected\n")
    assert contacts(store) == ROWS + 1
    verify(store)


def test_forgetting_on_a_full_disk(small_disk, directory):
    disk, remount = small_disk
    store = disk / "store"
    run_postern("import", "--store", store, "-", input="email,reason\njane@example.com,she said so\n")
    with open(disk / "filler", "wb") as filler:
        with pytest.raises(OSError):
            while True:
                filler.write(b"x" * 65536)
                filler.flush()
    done = run_postern("forget", "--store", store, "jane@example.com", expect=3)
    assert "full" in done.stderr or "No space left" in done.stderr, done.stderr
    assert "she said so" in run_postern("show", "--store", store, "jane@example.com").stdout
    remount("size=64m")
    run_postern("forget", "--store", store, "jane@example.com", "--now")
    assert b"she said so" not in (store / "data.mdb").read_bytes()
    verify(store)


def test_a_file_system_that_is_read_only(small_disk):
    disk, remount = small_disk
    store = disk / "store"
    run_postern("import", "--store", store, "-", input="jane@example.com\n")
    remount("ro")
    try:
        assert run_postern("unsubscribe", "--store", store, "joe@example.com", expect=3).stderr.count("\n") == 1
        assert run_postern("import", "--store", store, "-", input="joe@example.com\n", expect=3).stderr
    finally:
        remount("rw")
    run_postern("check", "--store", store, "jane@example.com", expect=1)
    run_postern("unsubscribe", "--store", store, "joe@example.com")
    verify(store)


def test_a_map_that_is_too_small(directory):
    config = directory / "postern.toml"
    config.write_text('[store]\npath = "./store"\nmap_size = "4MiB"\n')
    path = directory / "rows.csv"
    path.write_text(FILE)
    done = run_postern("import", "--config", config, path, expect=3, cwd=directory)
    assert "map_size" in done.stderr
    stored = contacts(directory / "store")
    assert stored < ROWS
    verify(directory / "store")
    config.write_text('[store]\npath = "./store"\nmap_size = "1GiB"\n')
    run_postern("import", "--config", config, path, cwd=directory)
    assert contacts(directory / "store") == ROWS
