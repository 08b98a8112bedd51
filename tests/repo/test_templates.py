import re

import pytest
from django.conf import settings
from django.template import Context, engines
from django.template.base import Origin, Template

from tests.guards import UndefinedVariable
from tests.repo import files

# Found by name in Django or allauth, or by HTTP status.
FOUND_BY_NAME = re.compile(r"^(?:allauth|account|mfa|admin|registration|rest_framework|drf_spectacular)/|^(?:4|5)\d\d")
NAMED = re.compile(r"""["']([\w./-]+\.(?:html|txt))(?:#[\w-]+)?["']""")


def ours(source: str) -> Template:
    engine = engines["django"].engine
    return Template(source, Origin(str(settings.BASE_DIR / "templates" / "a.html")), "a.html", engine)


def test_every_template_is_used() -> None:
    sources = [*files.source(), *files.named("*.html", under="templates")]
    used = {name for path in sources for name in NAMED.findall(path.read_text(encoding="utf-8"))}
    templates = settings.BASE_DIR / "templates"
    names = {str(path.relative_to(templates)) for path in files.tracked() if path.is_relative_to(templates)}

    assert {name for name in names - used if not FOUND_BY_NAME.match(name)} == set()


def test_every_template_compiles() -> None:
    templates = settings.BASE_DIR / "templates"

    for path in files.named("*.html", under="templates"):
        assert engines["django"].engine.get_template(str(path.relative_to(templates)))


@pytest.mark.parametrize("source", ["{{ unknown }}", "{{ known.unknown }}", "{{ unknown|default:'x' }}"])
def test_rendering_an_undefined_variable_fails(source: str) -> None:
    with pytest.raises(UndefinedVariable, match="unknown"):
        ours(source).render(Context({"known": {}}))


def test_asking_whether_a_variable_is_there_does_not() -> None:
    assert ours("{% if unknown %}a{% else %}b{% endif %}{{ known }}").render(Context({"known": 1})) == "b1"


def test_templates_of_our_dependencies_may_be_as_they_are() -> None:
    theirs = Template("({{ unknown }})", Origin("/elsewhere/a.html"), "a.html", engines["django"].engine)

    assert theirs.render(Context()) == "()"
