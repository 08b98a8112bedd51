"""Guards of static files and templates: what is vendored, and that the strict policy can hold."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.template.loader import get_template

from reviewapp.web.templatetags.badges import LOOKS

TEMPLATES = settings.BASE_DIR / "templates"
STATIC = settings.BASE_DIR / "static"
VENDOR = STATIC / "vendor"
OWN_FILES = [path for folder in ("css", "js", "img") for path in sorted((STATIC / folder).iterdir())]
ALL_TEMPLATES = sorted(TEMPLATES.rglob("*.html"))

INLINE = re.compile(
    r"""<style\b|\sstyle=|\son[a-z]+\s*=\s*["']|\shx-on|javascript:|<script(?![^>]*\bsrc=)(?![^>]*application/json)""",
    re.IGNORECASE,
)
OUTSIDE = re.compile(r"""(?:https?:)?//(?!www\.w3\.org/2000/svg)[a-z0-9-]+\.[a-z]{2,}""", re.IGNORECASE)
NAMED_ICON = re.compile(r"""(?:\bicon|_icon)="([a-z0-9-]+)"|components/icon\.html" with name="([a-z0-9-]+)\"""")


def sprite_icons() -> set[str]:
    return set(re.findall(r'<symbol id="([^"]+)"', (VENDOR / "tabler-icons.svg").read_text(encoding="utf-8")))


def test_every_vendored_file_is_the_one_in_the_manifest() -> None:
    manifest = json.loads((VENDOR / "manifest.json").read_text(encoding="utf-8"))
    stated = {entry["file"]: entry["sha256"] for entry in manifest}
    not_vendored = {"README.md", "icons.txt", "manifest.json"}

    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.iterdir()
        if path.name not in not_vendored
    }

    assert found == stated
    assert all(entry["version"] and entry["licence"] for entry in manifest)


def test_vendored_style_loads_nothing_from_elsewhere() -> None:
    for path in VENDOR.glob("*.css"):
        style = path.read_text(encoding="utf-8")

        assert "@import" not in style
        assert re.findall(r"url\((?![\"']?data:image/)[^)]*\)", style) == []


def test_htmx_is_the_two_of_the_pinned_package() -> None:
    source = Path(str(finders.find("django_htmx/htmx-2.min.js"))).read_text(encoding="utf-8")

    assert re.search(r'version:"2\.0\.\d+"', source)


def test_the_sprite_holds_the_listed_icons() -> None:
    assert sprite_icons() == set((VENDOR / "icons.txt").read_text(encoding="utf-8").split())


def test_every_icon_in_use_is_in_the_sprite() -> None:
    in_templates = {
        first or second
        for path in ALL_TEMPLATES
        for first, second in NAMED_ICON.findall(path.read_text(encoding="utf-8"))
    }

    assert in_templates
    assert (in_templates | {icon for _tone, icon in LOOKS.values()}) - sprite_icons() == set()


@pytest.mark.parametrize("path", ALL_TEMPLATES, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_a_template_has_nothing_inline_and_nothing_from_elsewhere(path: Path) -> None:
    source = path.read_text(encoding="utf-8")

    assert INLINE.findall(source) == []
    assert OUTSIDE.findall(source) == []


@pytest.mark.parametrize(
    "refused",
    [
        '<p style="color: red">',
        "<style>",
        '<button onclick="go()">',
        '<a href="javascript:go()">',
        "<script>go()</script>",
        '<p hx-on:click="go()">',
    ],
)
def test_the_guard_sees_what_is_inline(refused: str) -> None:
    assert INLINE.search(refused)


@pytest.mark.parametrize("path", OWN_FILES, ids=lambda path: path.name)
def test_our_static_files_reach_nothing_elsewhere_and_evaluate_nothing(path: Path) -> None:
    source = path.read_text(encoding="utf-8")

    assert OUTSIDE.findall(source) == []
    assert re.findall(r"\beval\(|new Function|innerHTML|setAttribute\(\"style\"|document\.write", source) == []


def test_every_script_is_loaded_by_a_page_or_by_another_script() -> None:
    scripts = {path.name: path.read_text(encoding="utf-8") for path in (STATIC / "js").iterdir()}
    of_pages = {
        name for path in ALL_TEMPLATES for name in re.findall(r"'js/([a-z_]+\.js)'", path.read_text(encoding="utf-8"))
    }
    of_scripts = {
        name for source in scripts.values() for name in re.findall(r'(?:import|from) "\./([a-z_]+\.js)"', source)
    }

    assert of_pages | of_scripts == set(scripts)


@pytest.mark.parametrize("name", ["400.html", "403_csrf.html", "500.html"])
def test_an_error_page_needs_no_context(name: str) -> None:
    html = get_template(name).render()

    assert "<title>" in html
    assert 'href="/"' in html
    assert "<script>" not in html


def test_htmx_is_configured_for_the_strict_policy() -> None:
    html = get_template("500.html").render()
    config = json.loads(re.search(r"""name="htmx-config" content='([^']+)'""", html).group(1))  # type: ignore[union-attr]

    assert (config["allowEval"], config["allowScriptTags"], config["selfRequestsOnly"]) == (False, False, True)
    assert (config["historyCacheSize"], config["includeIndicatorStyles"]) == (0, False)


@pytest.mark.parametrize(
    ("status", "swaps"),
    [
        (200, True),
        (204, False),
        (302, True),
        (403, False),
        (404, False),
        (409, True),
        (412, True),
        (422, True),
        (500, False),
    ],
)
def test_htmx_swaps_refusals_that_are_designed_and_no_other(status: int, swaps: bool) -> None:
    html = get_template("500.html").render()
    config = json.loads(re.search(r"""name="htmx-config" content='([^']+)'""", html).group(1))  # type: ignore[union-attr]

    rule = next(rule for rule in config["responseHandling"] if re.search(rule["code"], str(status)))

    assert rule["swap"] is swaps
