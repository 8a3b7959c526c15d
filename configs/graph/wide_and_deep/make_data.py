"""Writes ratings of films, drawn from a seed, as parquet: FOLDER/train and FOLDER/test.

usage: make_data.py FOLDER

Columns: user, film, country, genre: string; age float; liked float, 0 or 1. A few users and films
have most of the rows. Whether a film is liked depends on the country and the genre together, and
on who the user is.
"""

import pathlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

USERS, FILMS = 20_000, 10_000
COUNTRIES = ["br", "de", "fr", "in", "jp", "ng", "us", "vn"]
GENRES = ["comedy", "crime", "drama", "fantasy", "music", "western"]
ROWS = {"train": 40_000, "test": 4_000}


def user_name(number):
    return f"user-{number:05}"


def film_name(number):
    return f"film-{number:05}"


def main(folder):
    rng = np.random.default_rng(1)
    taste = rng.normal(0, 2, (len(COUNTRIES), len(GENRES)))
    kindness = rng.normal(0, 1, USERS)
    country_of, genre_of = (
        rng.integers(0, len(COUNTRIES), USERS),
        rng.integers(0, len(GENRES), FILMS),
    )
    for part, rows in ROWS.items():
        user = (USERS * rng.random(rows) ** 5).astype(int)
        film = (FILMS * rng.random(rows) ** 5).astype(int)
        country, genre = country_of[user], genre_of[film]
        score = taste[country, genre] + kindness[user] + rng.normal(0, 0.5, rows)
        table = pa.table(
            {
                "user": [user_name(i) for i in user],
                "film": [film_name(i) for i in film],
                "country": [COUNTRIES[i] for i in country],
                "genre": [GENRES[i] for i in genre],
                "age": (user % 60 + 15).astype(np.float32),
                "liked": (score > 0).astype(np.float32),
            }
        )
        path = pathlib.Path(folder) / part
        path.mkdir(parents=True, exist_ok=True)
        for i in range(4):
            pq.write_table(table[i * rows // 4 : (i + 1) * rows // 4], path / f"part-{i}.parquet")


if __name__ == "__main__":
    main(sys.argv[1])
