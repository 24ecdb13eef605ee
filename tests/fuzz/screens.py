"""Random screens: their pictures and metadata, and what is measured of image sets."""

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import quote

from fuzz import odd
from fuzz.catalogue import MODULES, OBJECTS, OF_IMAGES, OF_OBJECTS
from fuzz.model import (
    H5,
    IMAGE,
    PLATE,
    SITE,
    SQLCSV,
    SQLITE,
    WELL,
    Feature,
    ImageSet,
    Kind,
    Pair,
    Value,
)

HOME = "/data/screens"
"""Where all pictures lie."""


@dataclass(frozen=True)
class Plan:
    """What a run measures: features with the kind of their values."""

    features: tuple[tuple[Feature, str], ...]
    objects: tuple[str, ...]
    parents: Mapping[str, str]
    most: int


def planned_run(rng: random.Random, formats: Sequence[str], large: bool) -> Plan:
    objects = tuple(rng.sample(OBJECTS, rng.choice((0, 1, 1, 2, 2, 3))))
    parents = {
        child: rng.choice(objects[:place])
        for place, child in enumerate(objects)
        if place and rng.random() < 0.7
    }
    channels = rng.choice((("DNA",), ("DNA", "ER")))
    found: list[tuple[Feature, str]] = []
    for channel in channels:
        for begin in ("FileName", "PathName", "URL", "MD5Digest"):
            found.append((Feature(IMAGE, f"{begin}_{channel}", Kind.TEXT), "picture"))
        found.append((Feature(IMAGE, f"Height_{channel}", Kind.INTEGER), "integer"))
        found.append((Feature(IMAGE, f"Scaling_{channel}", Kind.REAL), "real"))
    for name in (PLATE, WELL, SITE):
        found.append((Feature(IMAGE, name, None), "picture"))
    plain = bool({SQLITE, SQLCSV} & set(formats))
    # Of objects, CSV files have real numbers only.
    exact = large and set(formats) <= {H5, SQLITE}
    for chosen, owner in [(OF_IMAGES, IMAGE)] + [(OF_OBJECTS, name) for name in objects]:
        for name, promise, single, kinds in rng.sample(chosen, rng.randint(0, 6)):
            usual = [
                kind for kind in kinds if kind != "large" or (large and owner == IMAGE) or exact
            ]
            if usual and not (plain and (_odd(f"{owner}_{name}") or name == "Metadata_note")):
                found.append((Feature(owner, name, promise, single), rng.choice(usual)))
    for child, parent in parents.items():
        found.append((Feature(child, f"Parent_{parent}", Kind.INTEGER), "parent"))
        found.append((Feature(parent, f"Children_{child}_Count", Kind.INTEGER), "integer"))
    for name in objects:
        found.append((Feature(IMAGE, f"Count_{name}", Kind.INTEGER), "count"))
    for name in ("Group_Number", "Group_Index", "Group_Length"):
        found.append((Feature(IMAGE, name, Kind.INTEGER), "group"))
    for module in MODULES:
        found.append((Feature(IMAGE, f"ModuleError_{module}", Kind.REAL), "error"))
        found.append((Feature(IMAGE, f"ExecutionTime_{module}", Kind.REAL), "time"))
    return Plan(tuple(found), objects, parents, rng.choice((0, 2, 4)))


def _odd(column: str) -> bool:
    return len(column) > 60 or not column.replace("_", "a").isascii() or not column.isidentifier()


def identities_of(rng: random.Random, plates: Sequence[str], many: int) -> list[dict[str, Value]]:
    """Where the pictures of image sets come from, in the order of their numbers."""
    found: list[dict[str, Value]] = []
    strange = rng.random() < 0.2
    number = rng.random() < 0.5
    for plate in plates:
        for place in range(many):
            well = f"{'ABCDEFGH'[place // 2 % 8]}{place // 16 + 1:02d}"
            site = place % 2 + 1
            stem = f"{plate}_{well}_s{site}"
            found.append(
                {
                    PLATE: f"{plate} é" if strange else plate,
                    WELL: well,
                    SITE: site if number else str(site),
                    "stem": f'{stem} "a"' if strange else stem,
                    "folder": f"{HOME}/{plate}/é %" if strange else f"{HOME}/{plate}",
                }
            )
    return found[: rng.randint(1, len(found))]


def _picture(name: str, of: Mapping[str, Value]) -> Value:
    begin, _, channel = name.partition("_")
    file, folder = f"{of['stem']}_{channel}.tif", str(of["folder"])
    if begin == "FileName":
        return file
    if begin == "PathName":
        return folder
    if begin == "URL":
        return "file:" + quote(f"{folder}/{file}")
    if begin == "MD5Digest":
        return hashlib.md5(f"{folder}/{file}".encode(), usedforsecurity=False).hexdigest()
    return of[name]


def planned_sets(
    rng: random.Random, plan: Plan, identities: Sequence[Mapping[str, Value]], tags: Sequence[str]
) -> tuple[ImageSet, ...]:
    """The image sets as the batch file has them, numbered in the order of their groups."""
    identities = sorted(identities, key=lambda of: tuple(str(of[tag]) for tag in tags))
    first = rng.choice((1, 1, 1, 5))
    found = []
    for number, of in enumerate(identities, start=first):
        image: dict[str, Value] = {}
        for feature, kind in plan.features:
            if feature.object != IMAGE or feature.name.startswith("MD5Digest"):
                continue
            if kind == "picture":
                image[feature.name] = _picture(feature.name, of)
            elif feature.name.startswith("Metadata_"):
                image[feature.name] = _value(rng, feature, kind)
        found.append(ImageSet(number, image))
    return tuple(found)


def _value(rng: random.Random, feature: Feature, kind: str) -> Value:
    """A value of one kind."""
    if kind == "mixed":
        kind = rng.choice(("integer", "real", "text", "none"))
    if kind in ("nan", "gaps", "infinite") and rng.random() < 0.6:
        kind = "real" if feature.promise != Kind.INTEGER else "integer"
    if kind == "text":
        return odd.text(rng)
    if kind == "class":
        return rng.choice(("mitotic", "dead, or dying", "1"))
    if kind == "integer":
        return odd.integer(rng)
    if kind == "large":
        return odd.large(rng)
    if kind == "real":
        return odd.real(rng)
    if kind == "single":
        return odd.single(rng)
    if kind == "whole":
        return float(rng.randrange(-5, 50))
    if kind == "infinite":
        return rng.choice((float("inf"), float("-inf")))
    return float("nan") if kind in ("nan", "gaps") else None


def measured(
    rng: random.Random,
    plan: Plan,
    known: ImageSet,
    features: Sequence[tuple[Feature, str]],
    groups: Mapping[int, tuple[int, int, int]],
) -> ImageSet:
    """What a job measures of an image set."""
    counts = {name: rng.randint(0, plan.most) for name in plan.objects}
    image: dict[str, Value] = {}
    for feature, kind in features:
        name = feature.name
        if feature.object != IMAGE:
            continue
        if name in known.image:
            image[name] = known.image[name]
        elif name.startswith("MD5Digest"):
            channel = name.partition("_")[2]
            at = f"{known.image[f'PathName_{channel}']}/{known.image[f'FileName_{channel}']}"
            image[name] = hashlib.md5(at.encode(), usedforsecurity=False).hexdigest()
        elif kind == "count":
            image[name] = float(counts[name.removeprefix("Count_")])
        elif kind == "group":
            place = ("Group_Number", "Group_Index", "Group_Length").index(name)
            image[name] = groups[known.number][place]
        elif kind == "error":
            image[name] = 0
        elif kind == "time":
            image[name] = round(rng.random(), 2)
        elif rng.random() < 0.95:
            image[name] = _value(rng, feature, kind)
    return ImageSet(known.number, image, _objects(rng, plan, counts, features))


def _objects(
    rng: random.Random,
    plan: Plan,
    counts: Mapping[str, int],
    features: Sequence[tuple[Feature, str]],
) -> dict[str, tuple[Mapping[str, Value], ...]]:
    found: dict[str, tuple[Mapping[str, Value], ...]] = {}
    for owner in plan.objects:
        # A module can measure nothing in one image set, or leave the last objects out.
        known = {
            feature.name: rng.choice((counts[owner],) * 12 + (0, max(0, counts[owner] - 1)))
            for feature, _ in features
            if feature.object == owner
        }
        rows = []
        for place in range(counts[owner]):
            row: dict[str, Value] = {}
            for feature, kind in features:
                if feature.object != owner or place >= known[feature.name]:
                    continue
                if kind == "parent":
                    row[feature.name] = rng.randint(0, counts[feature.name.partition("_")[2]])
                else:
                    row[feature.name] = _value(rng, feature, kind)
            rows.append(row)
        found[owner] = tuple(rows)
    return found


def pairs_of(rng: random.Random, plan: Plan, sets: Sequence[ImageSet]) -> tuple[Pair, ...]:
    """Relationships within image sets, and of tracks from one to the next."""
    found: set[Pair] = set()
    for one in sets:
        for child, parent in plan.parents.items():
            for number, row in enumerate(one.objects.get(child, ()), start=1):
                other = row.get(f"Parent_{parent}")
                if isinstance(other, int) and other > 0:
                    found.add((2, "Parent", parent, child, one.number, other, one.number, number))
    for one, after in pairwise(sets):
        for name in plan.objects[:1]:
            many = min(len(one.objects.get(name, ())), len(after.objects.get(name, ())))
            for number in range(1, many + 1):
                if rng.random() < 0.5:
                    found.add((3, "Parent", name, name, one.number, number, after.number, number))
    return tuple(sorted(found))
