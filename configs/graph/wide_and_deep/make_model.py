"""Exports a wide-and-deep model with two large embeddings as a graph that trains.

usage: make_model.py FOLDER

The model looks up texts in its own vocabularies, so that rows are fed as they are.
"""

import sys

import keras
from keras import layers
from make_data import FILMS, USERS, film_name, user_name
from tfos.graph import export_training


def build_model():
    user, film, country, genre = (
        keras.Input((), dtype="string", name=name) for name in ["user", "film", "country", "genre"]
    )
    age = keras.Input((), name="age")

    crossed = layers.HashedCrossing(512, name="country_genre")((country, genre))
    wide = layers.Embedding(512, 1, name="wide")(crossed)

    users = layers.StringLookup(vocabulary=[user_name(i) for i in range(USERS)])(user)
    films = layers.StringLookup(vocabulary=[film_name(i) for i in range(FILMS)])(film)
    deep = layers.Concatenate()(
        [
            layers.Embedding(USERS + 1, 16, name="users")(users),
            layers.Embedding(FILMS + 1, 16, name="films")(films),
            layers.Reshape((1,))(layers.Rescaling(1 / 100)(age)),
        ]
    )
    deep = layers.Dense(32, activation="relu", name="hidden")(deep)
    deep = layers.Dense(1, name="deep")(deep)

    liked = layers.Activation("sigmoid", name="liked")(layers.Add()([wide, deep]))
    return keras.Model([user, film, country, genre, age], {"liked": liked})


def main(folder):
    keras.utils.set_random_seed(1)
    export_training(
        build_model(),
        keras.optimizers.Adam(0.003),
        {"liked": "binary_crossentropy"},
        folder,
        metrics={"liked": ["accuracy"]},
    )


if __name__ == "__main__":
    main(sys.argv[1])
