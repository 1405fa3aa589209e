"""What the benchmark writes into the documentation. Nothing is measured here."""

from pathlib import Path

from bench.peers import FLOOR, OURS
from bench.tables import write_tables
from ops.checkout import ROOT


def test_the_tables_of_the_page_are_made_from_the_results(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text((ROOT / "docs" / "performance.md").read_text())
    results = {
        "fanout": {FLOOR.key: [{"cpu_us": 4.0, "p99_ms": 10.0}], OURS.key: [{"cpu_us": 4.5, "p99_ms": 15.0}]},
        "growth": {f"{FLOOR.key} 1000": [{"cpu_us": 4.0}], f"{OURS.key} 1000": [{"cpu_us": 6.0}]},
        "storm": {"storm": [{"missing": 7}]},
    }
    write_tables(results, page)
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.read_text().splitlines()]
    assert ["paced: CPU per delivery, over the floor's", "<= 1.15 x", "1.12 x", "reached"] in cells
    assert ["paced: p99, over the floor's", "<= 1.30 x", "1.50 x", "missed by 1.15 x"] in cells
    assert ["storm: events lost", "<= 0", "7", "missed"] in cells
    assert ["REST list of 20 rows, over a bare route", ">= 0.40 x", "not measured", ""] in cells
    assert ["1,000", "4.0", "6.0", "1.50 x"] in cells
    write_tables(results, page)
    assert page.read_text().count("storm: events lost") == 1
