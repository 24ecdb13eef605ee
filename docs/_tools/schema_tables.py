"""Tables of the fields of a JSON report, made from its schema."""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]


def table(schema: Schema) -> str:
    """The fields, in Markdown; `a.b` is a field in a field, `a[].b` one in each item of a list."""
    rows = ["| field | type | what it is |", "| --- | --- | --- |"]
    # A report that is a list has the fields of its items.
    one = schema.get("items", schema)
    rows += [f"| `{name}` | {kind} | {text} |" for name, kind, text in fields(one, schema, "")]
    return "\n".join(rows)


def fields(schema: Schema, whole: Schema, place: str) -> Iterator[tuple[str, str, str]]:
    """Name, type and description of each field, in order."""
    schema = resolved(schema, whole)
    for name, found in schema.get("properties", {}).items():
        field = resolved(found, whole)
        path = f"{place}.{name}" if place else name
        yield path, _type(field, whole), found.get("description", field.get("description", ""))
        inner = resolved(field.get("items", {}), whole)
        yield from fields(inner if "properties" in inner else field, whole, _below(path, field))


def resolved(schema: Schema, whole: Schema) -> Schema:
    """A schema, or the one that it refers to."""
    reference = schema.get("$ref", "")
    return dict(whole["$defs"][reference.rpartition("/")[2]]) if reference else schema


def _below(path: str, field: Schema) -> str:
    return f"{path}[]" if "items" in field else path


def _type(field: Schema, whole: Schema) -> str:
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    kind = field.get("type", "any")
    names = [kind] if isinstance(kind, str) else list(kind)
    if "items" in field:
        inner = _type(resolved(field["items"], whole), whole)
        names = [f"list of {inner}" if name == "array" else name for name in names]
    return " or ".join(names)
