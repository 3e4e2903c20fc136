"""`python -m service.ray_serve`, as far as it goes without a cluster."""

from importlib.util import find_spec

import pytest

from service.ray_serve.__main__ import main


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is there")
def test_error_without_ray_names_the_extra(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "pip install 'deepshelf[ray]'" in capsys.readouterr().err


def test_every_option_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "--max-replicas" in capsys.readouterr().out
