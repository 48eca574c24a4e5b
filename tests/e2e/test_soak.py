"""A minute of what scripts/soak does for ten."""

from soak import Soak

SECONDS = 60


def test_mixed_load_with_faults_and_reloads(new_gate, capsys):
    text, wrong = Soak(new_gate, seed=None).run(SECONDS)
    with capsys.disabled():
        print(f"\n{text}")
    assert wrong == [], text
