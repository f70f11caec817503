"""The page that tells people what the HTTP API takes and answers, made of its own description; it needs no script.

The description's own words are English; programs take it as JSON or YAML.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from litestar import Request, Response

from web.desk import Desk

JSON_PATH: Final = "/schema/openapi.json"
YAML_PATH: Final = "/schema/openapi.yaml"


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter of an operation."""

    name: str
    where: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation may answer; `document` names what it is made of, or is empty."""

    status: str
    description: str
    document: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    mark: str
    method: str
    path: str
    summary: str
    description: str
    bearers: tuple[str, ...]
    needs_bearer: bool
    fields: tuple[Field, ...]
    body: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Chapter:
    """Operations of one tag."""

    name: str
    description: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A body or answer: its name, what it is, and its JSON Schema as text."""

    name: str
    description: str
    schema: str


def chapters(described: dict[str, Any]) -> list[Chapter]:
    """The operations of a description, by tag, in the tags' order."""
    found: dict[str, list[Operation]] = {tag["name"]: [] for tag in described["tags"]}
    for path, item in sorted(described["paths"].items()):
        for method, operation in item.items():
            found[operation["tags"][0]].append(_operation(path, method, operation))
    said = {tag["name"]: tag["description"] for tag in described["tags"]}
    return [Chapter(name, said[name], tuple(operations)) for name, operations in found.items() if operations]


def documents(described: dict[str, Any]) -> list[Document]:
    """What bodies and answers are made of."""
    return [
        Document(name, _plain(schema.get("description", "")), json.dumps(schema, ensure_ascii=False, indent=2))
        for name, schema in sorted(described["components"]["schemas"].items())
    ]


def _operation(path: str, method: str, operation: dict[str, Any]) -> Operation:
    fields = tuple(
        Field(each["name"], each["in"], bool(each.get("required")), _plain(each.get("description", "")))
        for each in operation.get("parameters", ())
    )
    answers = tuple(
        Answer(status, _plain(each["description"]), _document_of(each))
        for status, each in sorted(operation["responses"].items())
    )
    return Operation(
        mark=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=_plain(operation.get("description", "")),
        bearers=tuple(name for each in operation.get("security") or () for name in each),
        needs_bearer={} not in (operation.get("security") or [{}]),
        fields=fields,
        body=_document_of(operation.get("requestBody", {})),
        answers=answers,
    )


def _document_of(holder: dict[str, Any]) -> str:
    """The name of the document that a body or answer is, or nothing."""
    for content in holder.get("content", {}).values():
        return str(content.get("schema", {}).get("$ref", "")).rpartition("/")[2]
    return ""


def _plain(text: str) -> str:
    """Markdown's marks of code taken out: a page without them reads as well."""
    return text.replace("`", "").replace("\n\n", " ").replace("\n", " ")


def show(desk: Desk, request: Request[Any, Any, Any], described: dict[str, Any]) -> Response[bytes]:
    """The page for who reads, the document for programs."""
    visit = desk.visit(request)
    if "text/html" not in request.headers.get("accept", ""):
        return desk.redirect(visit, JSON_PATH)
    return desk.page(
        visit,
        "api.html",
        version=described["info"]["version"],
        introduction=[_plain(each) for each in described["info"]["description"].strip().split("\n\n")],
        chapters=chapters(described),
        documents=documents(described),
        json_path=JSON_PATH,
        yaml_path=YAML_PATH,
    )
