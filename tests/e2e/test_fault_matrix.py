"""Every stage x every fault x upstream and client (fault_matrix.py); prints its counts."""

from authority import Authority
from fault_matrix import Matrix, summary


def test_every_fault_at_every_stage(new_gate, authority, directory, capsys):
    matrix = Matrix(new_gate, authority, Authority(directory, "other"))
    try:
        cases = matrix.run()
    finally:
        matrix.stop()
    with capsys.disabled():
        print(f"\n{summary(matrix)}")
    assert len(matrix.done) == len(cases) > 3000
    assert matrix.failed == [], "\n".join(matrix.failed)
