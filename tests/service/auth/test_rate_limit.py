import subprocess
import sys
from pathlib import Path

import pytest
from limits import parse

from service.auth.rate_limit import RateLimiter

HOUR = parse("3/hour")


def test_requests_beyond_the_rate_wait_for_the_window_to_end() -> None:
    rates = RateLimiter(None)
    assert [rates.hit(HOUR, "alice") for _ in range(3)] == [None] * 3
    wait_s = rates.hit(HOUR, "alice")
    assert wait_s is not None
    assert 3500 < wait_s <= 3600
    assert rates.hit(HOUR, "bob") is None
    rates.close()


def test_new_window_resets_the_count(tmp_path: Path) -> None:
    rates = RateLimiter(tmp_path)
    for _ in range(4):
        rates.hit(HOUR, "alice")
    assert rates._database is not None
    rates._database.execute("UPDATE hits SET expires = expires - 3601")
    assert rates.hit(HOUR, "alice") is None
    rates.close()


def test_the_processes_of_one_service_count_together(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from limits import parse; "
        "from service.auth.rate_limit import RateLimiter; rates = RateLimiter(Path(sys.argv[1])); "
        "print(sum(rates.hit(parse('50/hour'), 'alice') is None for _ in range(40)))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    assert sum(int(worker.communicate()[0]) for worker in workers) == 50


def test_storage_failure_allows_requests_and_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "rates.sqlite").write_bytes(b"not a database" * 100)
    rates = RateLimiter(tmp_path)
    assert rates.hit(HOUR, "alice") is None
    assert "could not count rate limits" in caplog.text
