"""The API's documentation: one page, made from the OpenAPI document.

The well-known renderers need styles or scripts that a strict content security policy forbids, and
weigh ten to fifty times the whole shop. This page is plain HTML in the shop's own style; a small
script (`page-api-docs.js`) sends the requests of its forms as the customer who is signed in.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

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
    document = msgspec.yaml.decode(contract)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"prose": _prose, "resolved": partial(_resolved, document)}
    return environment.get_template("api_page.html").render(
        info=document["info"],
        server=document["servers"][0]["url"],
        operations=[
            (path, method, item, item[method])
            for path, item in document["paths"].items()
            for method in item
            if method != "parameters"
        ],
        schemas=document["components"]["schemas"],
        bounds=_BOUNDS,
        schemas_of=_schemas_of,
    )


def _schemas_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The schemas of an answer's bodies, each once; none of an answer without a body (304)."""
    schemas = [content["schema"] for content in answer.get("content", {}).values()]
    return [schema for place, schema in enumerate(schemas) if schema not in schemas[:place]]


def _resolved(document: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """What a `$ref` points to, or the value itself."""
    found: Any = value
    while "$ref" in found:
        reference = found["$ref"]
        found = document
        for key in reference.removeprefix("#/").split("/"):
            found = found[key]
    resolved: dict[str, Any] = found
    return resolved


def _prose(text: str) -> Markup:
    """Markdown as HTML: safe, because the renderer escapes any HTML in it."""
    rendered = _markdown.render(text)
    scrolling = rendered.replace("<table>", '<div class="scroll"><table>')
    return Markup(scrolling.replace("</table>", "</table></div>"))  # noqa: S704
