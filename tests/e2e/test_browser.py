"""The unsubscribe page in a real browser: Debian's Chromium, led by browse.js.

POSTERN_SCREENSHOTS=FOLDER keeps what was seen as PNG files; docs/images has some of them.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from page import PAGES, address_of, link_of
from processes import text_of
from test_page import history, refused

HERE = Path(__file__).resolve().parent
BROWSER = shutil.which("chromium")
DEADLINE = 120  # seconds for a browser to start, walk and end

HEADINGS = {"en-GB": "Unsubscribe from “Our newsletter”?", "fr-FR": "Se désabonner de « Our newsletter » ?",
            "de-DE": "„Our newsletter“ abbestellen?", "es-ES": "¿Darse de baja de «Our newsletter»?"}


@pytest.fixture
def walk(new_gate, upstream):
    """walk(step): what browse.js saw, after what is wrong on any page was looked for."""
    assert BROWSER, "chromium is not installed (scripts/setup --test does)"
    assert (HERE / "node_modules" / "playwright-core").is_dir(), "run `npm ci` in tests/e2e (scripts/test does)"
    gate = new_gate(upstream.address, more=PAGES).start()
    url = f"http://{text_of(address_of(gate, 'web'))}{link_of(gate)}"

    def go(step):
        screenshots = os.environ.get("POSTERN_SCREENSHOTS")
        done = subprocess.run(["node", HERE / "browse.js", url, BROWSER, step, *([screenshots] if screenshots else [])],
                              capture_output=True, text=True, timeout=DEADLINE)
        assert done.returncode == 0, done.stderr
        seen = json.loads(done.stdout)
        assert seen["complaints"] == []
        for name, page in seen.items():
            if isinstance(page, dict):
                assert not page["wider"], f"{name}: it has to be scrolled sideways"
                assert page["poorContrast"] == [] and page["unnamed"] == [] and page["smallButtons"] == [], name
        return seen

    go.gate = gate
    return go


def test_languages(walk):
    seen = walk("languages")
    for locale, heading in HEADINGS.items():
        assert seen[locale]["heading"].replace("\u00a0", " ") == heading and seen[locale]["language"] == locale[:2]
        assert seen[f"{locale} chosen"]["language"] == "de"
    assert history(walk.gate) == []


def test_keep_some(walk):
    seen = walk("keepSome")
    assert seen["goodbye"]["heading"] == "You are unsubscribed"
    assert "Our newsletter" in seen["goodbye"]["text"] and "Offers" in seen["goodbye"]["text"]
    assert refused(walk.gate, "a@news.example.com") and refused(walk.gate, "a@offers.example.com")
    assert "Too many messages: every day!" in walk.gate.run("show", "marie@example.fr").stdout


def test_undo(walk):
    seen = walk("undo")
    assert "no more newsletters" in seen["goodbye"]["text"]
    assert "as it was before" in seen["undone"]["text"]
    assert seen["back"]["heading"] == HEADINGS["en-GB"]
    assert not refused(walk.gate, "a@news.example.com")


def test_come_back(walk):
    seen = walk("comeBack")
    assert "left “Our newsletter” on" in seen["already"]["text"]
    assert seen["returned"]["heading"] == "Welcome back"
    assert not refused(walk.gate, "a@news.example.com")


def test_phone(walk):
    seen = walk("phone")
    assert seen["goodbye"]["heading"] == "You are unsubscribed"
    assert refused(walk.gate, "a@news.example.com") and not refused(walk.gate, "a@offers.example.com")


def test_keyboard_alone(walk):
    seen = walk("keyboard")
    assert all(stop["outlined"] for stop in seen["stops"]), seen["stops"]
    assert seen["goodbye"]["heading"] == "You are unsubscribed"
    assert refused(walk.gate, "a@news.example.com")


def test_without_script(walk):
    assert walk("withoutScript")["heading"] == "You are unsubscribed"
    assert refused(walk.gate, "a@news.example.com")
