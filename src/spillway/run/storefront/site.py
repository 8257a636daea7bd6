"""Builds the site: pages out of their layout, and assets with their content's hash in their names.

There is no bundler and no compiler: what is served is what is in `web/storefront`. A name with the
content's hash may be cached for ever; so that this holds for a module too, its name changes with
those of the modules it imports. Each page's head lists every module that it will need, so that they
are fetched at once and not one after the other.
"""

import hashlib
import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from string import Template

from spillway.errors import SpillwayError
from spillway.paths import PROJECT
from spillway.run.storefront import api_page

SOURCE = PROJECT / "web" / "storefront"
CONTRACT = PROJECT / "docs" / "contracts" / "orders.yaml"
# The libraries that pages use, by the name under which our modules import them.
VENDOR = {
    "vendor/oauth4webapi.js": PROJECT / "node_modules" / "oauth4webapi" / "build" / "index.js",
}
NOT_FOUND = "not-found"
DESCRIPTION = "Stoneware, glass, linen and wood from small workshops."

# A year is the longest that caches obey.
_FOR_EVER = "public, max-age=31536000, immutable"
# Asked for again every time, which costs a 304: a new version is seen at once, with no purge.
_ASK_AGAIN = "no-cache"
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
_IMPORT = re.compile(r'"\./([\w./-]+\.js)"')
_STATIC_IMPORT = re.compile(r'(?:from|import) "\./([\w./-]+\.js)"')
_HEADING = re.compile(r"<!-- (\w+): (.*?) -->\n")
_ASSET = re.compile(r"\{([\w.-]+\.\w+)\}")
_HASH_CHARACTERS = 10


@dataclass(frozen=True)
class File:
    """One file of the site: its key in the bucket, and how it is served."""

    key: str
    content: bytes
    cache_control: str
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES[Path(self.key).suffix]


def build(settings: dict[str, object]) -> list[File]:
    """The site's files, assets first, so that no page is ever there before what it needs.

    `settings` is what a deployment's `/config.json` says: issuer, client and the like.
    """
    assets = _Assets()
    pages = [_page(name, source, assets) for name, source in _pages()]
    config = File("config.json", json.dumps(settings).encode(), _ASK_AGAIN)
    return [*assets.files(), config, *pages]


def page_names() -> list[str]:
    """The addresses that there are, without the slash: `index` is the site's root."""
    return sorted(name for name, _ in _pages())


def _pages() -> Iterator[tuple[str, str]]:
    """Names and sources, the API's documentation included."""
    for path in sorted((SOURCE / "pages").glob("*.html")):
        yield path.stem, path.read_text()
    yield "api-docs", api_page.render(CONTRACT.read_text())


def _page(name: str, source: str, assets: "_Assets") -> File:
    heading = dict(_HEADING.findall(source))
    layout = Template((SOURCE / "layout.html").read_text())
    document = layout.substitute(
        title=heading["title"],
        description=html.escape(DESCRIPTION),
        icon=assets.url("icon.svg"),
        stylesheet=assets.url("shop.css"),
        head=_head(heading["script"], assets),
        main=_ASSET.sub(lambda found: assets.url(found[1]), _HEADING.sub("", source)),
    )
    metadata = {"status": "404"} if name == NOT_FOUND else {}
    return File(f"{name}.html", document.encode(), _ASK_AGAIN, metadata)


def _head(script: str, assets: "_Assets") -> str:
    needed = assets.imported_by(script)
    lines = [f'<link rel="modulepreload" href="{assets.url(name)}">' for name in needed]
    lines += [
        f'<meta data-asset="{name}" content="{assets.url(name)}">'
        for name in ("goods.svg", "catalogue.json")
    ]
    if "catalogue.js" in needed:
        url = assets.url("catalogue.json")
        lines.append(f'<link rel="preload" href="{url}" as="fetch" crossorigin>')
    lines.append(f'<script type="module" src="{assets.url(script)}"></script>')
    return "\n".join(lines)


class _Assets:
    """Everything under `/assets/`, by the name that it has in the source."""

    def __init__(self) -> None:
        self._built: dict[str, File] = {}

    @cached_property
    def _sources(self) -> dict[str, Path]:
        kinds = {".js", ".css", ".svg", ".json"}
        ours = {path.name: path for path in SOURCE.iterdir() if path.suffix in kinds}
        return ours | VENDOR

    def files(self) -> list[File]:
        return [self._asset(name) for name in sorted(self._sources)]

    def url(self, name: str) -> str:
        return f"/{self._asset(name).key}"

    def imported_by(self, script: str) -> list[str]:
        """The modules that a module cannot begin without, in no particular order."""
        found = [script]
        for name in found:  # grows while it is read
            imported = _STATIC_IMPORT.findall(self._text(name))
            found += [one for one in imported if one not in found]
        return found[1:]

    def _asset(self, name: str) -> File:
        if name not in self._built:
            self._built[name] = self._hashed(name)
        return self._built[name]

    def _hashed(self, name: str) -> File:
        content = self._text(name)
        if name.endswith(".js") and name not in VENDOR:
            content = _IMPORT.sub(
                lambda found: f'"./{Path(self._asset(found[1]).key).name}"', content
            )
        digest = hashlib.sha256(content.encode()).hexdigest()[:_HASH_CHARACTERS]
        stem, suffix = Path(name).stem, Path(name).suffix
        return File(f"assets/{stem}.{digest}{suffix}", content.encode(), _FOR_EVER)

    def _text(self, name: str) -> str:
        try:
            return self._sources[name].read_text()
        except FileNotFoundError:
            raise SpillwayError(
                f"The storefront needs {name}, which is not installed: run `make install`."
            ) from None
