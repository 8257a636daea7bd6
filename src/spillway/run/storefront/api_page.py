"""The API's documentation: one page, made from the OpenAPI document.

The well-known renderers need styles or scripts that a strict content security policy forbids, and
weigh ten to fifty times the whole shop. This page is plain HTML in the shop's own style; a small
script (`page-api-docs.js`) sends what its forms say, as the customer who is signed in.
"""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

import yaml
from markdown_it import MarkdownIt

_METHODS = frozenset(("get", "put", "post", "delete"))
_BOUNDS = {
    "minimum": "at least {:,}",
    "maximum": "at most {:,}",
    "minItems": "at least {:,} items",
    "maxItems": "at most {:,} items",
    "minLength": "at least {:,} characters",
    "maxLength": "at most {:,} characters",
}
_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


def render(contract: str) -> str:
    """The page's source, from the text of an OpenAPI 3.1 document."""
    return "\n".join(_Page(yaml.safe_load(contract)).parts()) + "\n"


class _Page:
    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._server = document["servers"][0]["url"]

    def parts(self) -> Iterator[str]:
        info = self._document["info"]
        operations = list(self._operations())
        yield f"<!-- title: {escape(info['title'])} · for developers -->"
        yield "<!-- script: page-api-docs.js -->"
        yield '<div class="api">'
        yield f"<h1>{escape(info['title'])}</h1>"
        yield f'<p class="quiet">OpenAPI 3.1, version {escape(info["version"])}</p>'
        yield _prose(info["description"])
        yield '<div id="who" class="panel who-tries"></div>'
        yield '<nav aria-label="Operations"><ul class="operations">'
        for path, method, operation, _ in operations:
            yield (
                f'<li><a href="#{operation["operationId"]}">{_signature(method, path)}</a>'
                f" {escape(operation['summary'])}</li>"
            )
        yield "</ul></nav>"
        for path, method, operation, parameters in operations:
            yield from self._operation(path, method, operation, parameters)
        yield "<h2>Schemas</h2>"
        for name, schema in self._document["components"]["schemas"].items():
            if schema.get("type") == "object":
                yield from self._schema(name, schema)
        yield "</div>"

    def _operations(self) -> Iterator[tuple[str, str, dict[str, Any], list[dict[str, Any]]]]:
        for path, item in self._document["paths"].items():
            shared = item.get("parameters", [])
            for method in item:
                if method in _METHODS:
                    given = [*shared, *item[method].get("parameters", [])]
                    yield path, method, item[method], [self._resolved(one) for one in given]

    def _operation(
        self, path: str, method: str, operation: dict[str, Any], parameters: list[dict[str, Any]]
    ) -> Iterator[str]:
        name = operation["operationId"]
        yield f'<section id="{name}" class="operation" aria-labelledby="{name}-title">'
        yield f'<h2 id="{name}-title">{escape(operation["summary"])}</h2>'
        yield f"<p>{_signature(method, self._server + path)}</p>"
        yield _prose(operation.get("description", ""))
        if parameters:
            rows = (
                (
                    f"<code>{escape(one['name'])}</code>",
                    f"in the {one['in']}",
                    self._type(one["schema"]) + _prose(one.get("description", "")),
                )
                for one in parameters
            )
            yield _table(("Parameter", "Where", "What it is"), rows)
        if "requestBody" in operation:
            body = operation["requestBody"]
            schema = body["content"]["application/json"]["schema"]
            yield f"<p>Body: {self._type(schema)}. {escape(body.get('description', ''))}</p>"
        yield _table(("Answer", "Body", "What it means"), self._answers(operation["responses"]))
        yield from self._try(path, method, operation, parameters)
        yield "</section>"

    def _answers(self, responses: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
        for status, given in responses.items():
            response = self._resolved(given)
            kinds = (self._type(content["schema"]) for content in response["content"].values())
            bodies = " or ".join(dict.fromkeys(kinds))
            yield f"<code>{status}</code>", bodies, _prose(response["description"])

    def _try(
        self, path: str, method: str, operation: dict[str, Any], parameters: list[dict[str, Any]]
    ) -> Iterator[str]:
        name = operation["operationId"]
        yield (
            f'<form class="try panel" data-method="{method.upper()}"'
            f' data-path="{escape(self._server + path)}"'
            f' aria-label="Try: {escape(operation["summary"])}">'
        )
        yield "<h3>Try it</h3>"
        for one in parameters:
            field = f"{name}-{one['name']}"
            default = one["schema"].get("default", "")
            required = " required" if one.get("required") else ""
            yield (
                f'<div class="field"><label for="{field}">{escape(one["name"])}</label>'
                f'<input id="{field}" name="{escape(one["name"])}" data-in="{one["in"]}"'
                f' value="{escape(str(default))}" autocomplete="off" spellcheck="false"{required}>'
                "</div>"
            )
        if "requestBody" in operation:
            yield (
                f'<div class="field"><label for="{name}-body">Body</label>'
                f'<textarea id="{name}-body" name="body" rows="12" spellcheck="false" required>'
                "</textarea></div>"
            )
            yield '<button type="button" class="example">Fill in a new order</button>'
        yield '<button class="primary">Send</button>'
        yield '<div class="answer" role="status" aria-live="polite"></div>'
        yield "</form>"

    def _schema(self, name: str, schema: dict[str, Any]) -> Iterator[str]:
        required = schema.get("required", ())
        yield f'<section id="schema-{name}" class="schema" aria-labelledby="schema-{name}-title">'
        yield f'<h3 id="schema-{name}-title">{name}</h3>'
        rows = (
            (
                f"<code>{escape(field)}</code>" + ("" if field in required else " (optional)"),
                self._type(given),
                _prose(given.get("description", "")),
            )
            for field, given in schema["properties"].items()
        )
        yield _table(("Field", "Type", "What it is"), rows)
        yield "</section>"

    def _type(self, schema: dict[str, Any]) -> str:
        """A schema in a few words; an object of a name of its own is linked."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            target = self._resolved(schema)
            if target.get("type") == "object":
                return f'<a href="#schema-{name}">{name}</a>'
            return self._type(target)
        if "oneOf" in schema:
            return " or ".join(self._type(choice) for choice in schema["oneOf"])
        if "enum" in schema:
            return "one of " + ", ".join(
                f"<code>{escape(str(one))}</code>" for one in schema["enum"]
            )
        kind = schema.get("type", "any")
        words = " or ".join(kind) if isinstance(kind, list) else kind
        if kind == "array":
            words = f"list of {self._type(schema['items'])}"
        elif kind == "object" and "properties" in schema:
            words = "object of " + ", ".join(
                f"<code>{field}</code>" for field in schema["properties"]
            )
        return ", ".join((words, *_bounds(schema)))

    def _resolved(self, value: dict[str, Any]) -> dict[str, Any]:
        found: Any = value
        while "$ref" in found:
            reference = found["$ref"]
            found = self._document
            for key in reference.removeprefix("#/").split("/"):
                found = found[key]
        resolved: dict[str, Any] = found
        return resolved


def _bounds(schema: dict[str, Any]) -> Iterator[str]:
    for name, words in _BOUNDS.items():
        if name in schema:
            yield words.format(schema[name])
    if "pattern" in schema:
        yield f"matching <code>{escape(schema['pattern'])}</code>"
    if "default" in schema:
        yield f"by default <code>{escape(json.dumps(schema['default']))}</code>"


def _signature(method: str, path: str) -> str:
    return f'<code class="signature"><b>{method.upper()}</b> {escape(path)}</code>'


def _prose(text: str) -> str:
    rendered: str = _markdown.render(text)
    return rendered.replace("<table>", '<div class="scroll"><table>').replace(
        "</table>", "</table></div>"
    )


def _table(heads: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll">{table}</div>'
