"""Builds the site: pages out of their layout, and assets with their content's hash in their names.

Goods, prices and the formats of addresses are not part of it: they come with each price book.

What is served is what is in `web/storefront`, each module minified by itself; only the library for
signing in is bundled, to what we use of it. A name with the content's hash may be cached for ever;
so that this holds for a module too, its name changes with those of the modules it imports. Each
page's head lists every module that it will need, so that they are fetched at once and not one after
the other.
"""

import base64
import hashlib
import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from jinja2 import Template

from spillway.errors import SpillwayError
from spillway.paths import PROJECT
from spillway.run.storefront import api_page

SOURCE = PROJECT / "web" / "storefront"
ADDRESS_FORMATS = "address-formats.json"
CONTRACT = PROJECT / "docs" / "contracts" / "orders.yaml"
# The library that pages use, by the name under which our modules import it, and what they call it.
LIBRARY = "vendor/oauth4webapi.js"
_USED = re.compile(r"\boauth\.(\w+)")
_LICENCE = "/* oauth4webapi, (c) 2022 Filip Skokan, MIT License */"
_MODULES = PROJECT / "node_modules"
NOT_FOUND = "not-found"

# A year is the longest that caches obey.
FOR_EVER = "public, max-age=31536000, immutable"
# Asked for again every time, which costs a 304: a new version is seen at once, with no purge.
ASK_AGAIN = "no-cache"
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
# What is a customer's own is in no search engine.
_ROBOTS = "User-agent: *\n" + "".join(
    f"Disallow: /{path}\n"
    for path in ("api/", "approvals", "basket", "checkout", "order", "signed-in")
)
_IMPORT = re.compile(r'"\./([\w./-]+\.js)"')
_STATIC_IMPORT = re.compile(r'(?:from|import) "\./([\w./-]+\.js)"')
_HEADING = re.compile(r"<!-- (\w+): (.*?) -->\n")
_ASSET = re.compile(r"\{([\w.-]+\.\w+)\}")
# In base 32 they are 35 bits: all scripts name each other 130 times, and no name compresses.
HASH_CHARACTERS = 7


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
    pages = [_page(name, source, assets) for name, source in page_sources()]
    config = File("config.json", json.dumps(settings).encode(), ASK_AGAIN)
    return [*assets.files(), config, File("robots.txt", _ROBOTS.encode(), ASK_AGAIN), *pages]


def page_sources() -> Iterator[tuple[str, str]]:
    """Names and sources of all pages. A page's address is its name; `index` is the site's root."""
    for path in sorted((SOURCE / "pages").glob("*.html")):
        yield path.stem, path.read_text()
    yield "api-docs", api_page.render(CONTRACT.read_text())


def _page(name: str, source: str, assets: "_Assets") -> File:
    heading = dict(_HEADING.findall(source))
    layout = Template((SOURCE / "layout.html").read_text(), autoescape=True, trim_blocks=True)
    document = layout.render(
        title=heading["title"],
        script=heading["script"],
        needed=assets.imported_by(heading["script"]),
        url=assets.url,
        main=_ASSET.sub(lambda found: assets.url(found[1]), _HEADING.sub("", source)),
    )
    metadata = {"status": "404"} if name == NOT_FOUND else {}
    return File(f"{name}.html", document.encode(), ASK_AGAIN, metadata)


def hash_of(content: bytes) -> str:
    """What an asset's name says of its content."""
    digest = base64.b32encode(hashlib.sha256(content).digest()).decode().lower()
    return digest[:HASH_CHARACTERS]


class _Assets:
    """Everything under `/assets/`, by the name that it has in the source."""

    def __init__(self) -> None:
        self._built: dict[str, File] = {}

    @cached_property
    def _sources(self) -> dict[str, Path]:
        kinds = {".js", ".css", ".svg", ".json"}
        ours = {path.name: path for path in SOURCE.iterdir() if path.suffix in kinds}
        # Published with the price books, which name the countries.
        del ours[ADDRESS_FORMATS]
        return ours

    def files(self) -> list[File]:
        return [self._asset(name) for name in sorted([*self._sources, LIBRARY])]

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
        if name.endswith(".js") and name != LIBRARY:
            content = _IMPORT.sub(
                lambda found: f'"./{Path(self._asset(found[1]).key).name}"', self._minified[name]
            )
        stem, suffix = Path(name).stem, Path(name).suffix
        key = f"assets/{stem}.{hash_of(content.encode())}{suffix}"
        return File(key, content.encode(), FOR_EVER)

    @cached_property
    def _minified(self) -> dict[str, str]:
        """Our modules without what only people read: a fifth of their bytes, compressed."""
        sources = [path for path in self._sources.values() if path.suffix == ".js"]
        with TemporaryDirectory() as folder:
            _esbuild("--minify", "--format=esm", f"--outdir={folder}", *map(str, sources))
            return {path.name: path.read_text() for path in Path(folder).iterdir()}

    def _text(self, name: str) -> str:
        if name == LIBRARY:
            texts = (path.read_text() for path in self._sources.values() if path.suffix == ".js")
            return _library(tuple(sorted({used for text in texts for used in _USED.findall(text)})))
        return self._sources[name].read_text()


@cache
def _library(used: tuple[str, ...]) -> str:
    """What our modules use of the library: a third of it, and all that a customer waits for."""
    return _esbuild(
        "--bundle",
        "--minify",
        "--format=esm",
        f"--banner:js={_LICENCE}",
        given=f'export {{ {", ".join(used)} }} from "oauth4webapi";',
    )


def _esbuild(*arguments: str, given: str | None = None) -> str:
    """Esbuild's output for modules that the arguments name, or for the one that is given."""
    esbuild = next(_MODULES.glob("@esbuild/*/bin/esbuild"), None)
    if esbuild is None or not (_MODULES / "oauth4webapi").exists():
        raise SpillwayError("The storefront's scripts can't be built: run `make install`.")
    done = subprocess.run(  # noqa: S603 - the command is ours
        [esbuild, "--log-level=error", *arguments],
        cwd=PROJECT,
        input=given,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SpillwayError(f"The storefront's scripts can't be built: {done.stderr.strip()}")
    return done.stdout


def address_formats(countries: Iterable[str]) -> bytes:
    """What addresses have in the countries that the store delivers to; `about` names where this is
    from."""
    every = json.loads((SOURCE / ADDRESS_FORMATS).read_text())
    chosen = {name: every[name] for name in ("about", *countries) if name in every}
    return json.dumps(chosen, ensure_ascii=False, separators=(",", ":")).encode()
