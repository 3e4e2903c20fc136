"""The printed table. That the counts are right is `tests/training/networks/test_resnet.py`'s."""

import re

import pytest

from training.cli.main import app
from training.course.resnet_table import build_rows, format_table


def test_ours_round_to_the_papers() -> None:
    for row in build_rows():
        if row.paper_parameters:
            places = len(row.paper_parameters.partition(".")[2])
            assert f"{row.parameters / 1e6:.{places}f}" == row.paper_parameters
        if row.paper_multiply_adds:
            # The paper cuts where we round: 3.858 is its 3.8.
            assert abs(row.multiply_adds / 1e9 - float(row.paper_multiply_adds)) < 0.1


def test_the_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        app(["list", "--table", "resnet"])
    out = capsys.readouterr().out
    assert out == format_table() + "\n"
    assert re.search(r"imagenet +50 +bottleneck +25,557,032 +– +3\.858 +3\.8 +4\.089", out)
    assert re.search(r"cifar +110 +basic +1,727,962 +1\.7 ", out)
