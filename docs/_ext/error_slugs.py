"""Every slug of an error that maskstat raises, read from its source: which class, and where."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Raised", "raised_slugs"]

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")


class Raised(NamedTuple):
    """One place where an error of a slug is made."""

    slug: str
    kind: str
    path: Path
    line: int


def raised_slugs(root: Path) -> list[Raised]:
    """Return every slug that a package raises.

    A slug is the value of an argument ``code``. Where that is no literal it is followed: to what
    the name was set to in its function, to what callers pass for a parameter, or to the words that
    a formatted text is made of. What cannot be followed is an error, so that none is overlooked.

    Parameters
    ----------
    root
        The package's folder.
    """
    modules = [_Module(path) for path in sorted(root.rglob("*.py"))]
    found: list[Raised] = []
    for module in modules:
        for call, inside in module.calls:
            value = _argument(call, "code")
            kind = ast.unparse(call.func).rpartition(".")[2]
            if value is None or not kind[0].isupper():
                continue  # a function that is passed a code: followed from the error it makes
            for slug, line, path in _slugs(value, inside, module, modules):
                found.append(Raised(slug, kind, path, line))
    return found


class _Module:
    """A parsed file: its calls, each with the function that it stands in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree = ast.parse(path.read_text("utf-8"))
        self.calls: list[tuple[ast.Call, ast.FunctionDef | None]] = []
        self._walk(self.tree, None)

    def _walk(self, node: ast.AST, inside: ast.FunctionDef | None) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call):
                self.calls.append((child, inside))
            self._walk(child, child if isinstance(child, ast.FunctionDef) else inside)

    def imports(self, name: str, module: _Module) -> bool:
        """Say whether `name` is here what `module` defines."""
        if module is self:
            return True
        home = ".".join(module.path.with_suffix("").parts)
        return any(
            isinstance(node, ast.ImportFrom)
            and node.module is not None
            and home.endswith(node.module)
            and any(alias.name == name for alias in node.names)
            for node in ast.walk(self.tree)
        )


def _argument(call: ast.Call, name: str) -> ast.expr | None:
    return next((word.value for word in call.keywords if word.arg == name), None)


def _slugs(
    value: ast.expr, inside: ast.FunctionDef | None, module: _Module, modules: list[_Module]
) -> Iterator[tuple[str, int, Path]]:
    """Follow an expression to the slugs that it can be."""
    here = (value.lineno, module.path)
    match value:
        case ast.Constant(value=str(slug)):
            yield (slug, *here)
        case ast.IfExp():
            yield from _slugs(value.body, inside, module, modules)
            yield from _slugs(value.orelse, inside, module, modules)
        case ast.Attribute(attr="code"):
            return  # handed on from an error that was caught
        case ast.Name(id=name) if inside is not None:
            followed = [
                *_assigned(name, inside, module),
                *_passed(name, inside, module, modules),
            ]
            if not followed:
                raise LookupError(f"{module.path}:{value.lineno}: where does '{name}' come from?")
            yield from followed
        case ast.JoinedStr(
            values=[ast.Constant(value=str(head)), ast.FormattedValue(value=ast.Name(id=name))]
        ) if inside is not None:
            for word, line, path in _passed(name, inside, module, modules):
                yield f"{head}{word}", line, path
        case ast.Call():
            yield from ((word, *here) for word in _words(value))
        case _:
            raise LookupError(f"{module.path}:{value.lineno}: {ast.unparse(value)}")


def _assigned(
    name: str, inside: ast.FunctionDef, module: _Module
) -> Iterator[tuple[str, int, Path]]:
    """Yield what a local name is set to, in tables of the module too."""
    for node in ast.walk(inside):
        if not isinstance(node, ast.Assign):
            continue
        targets = {n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
        if name in targets:
            used = {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
            tables = [
                other.value
                for other in module.tree.body
                if isinstance(other, ast.Assign | ast.AnnAssign)
                and other.value is not None
                and ast.unparse(_target(other)) in used
            ]
            for part in (node.value, *tables):
                yield from ((word, part.lineno, module.path) for word in _words(part))


def _target(node: ast.Assign | ast.AnnAssign) -> ast.expr:
    return node.target if isinstance(node, ast.AnnAssign) else node.targets[0]


def _words(part: ast.AST) -> list[str]:
    """Return the texts in an expression that look like slugs of two words or more."""
    constants = [node.value for node in ast.walk(part) if isinstance(node, ast.Constant)]
    return [text for text in constants if isinstance(text, str) and _SLUG.fullmatch(text)]


def _passed(
    name: str, inside: ast.FunctionDef, module: _Module, modules: list[_Module]
) -> Iterator[tuple[str, int, Path]]:
    """Yield what callers pass for a parameter of a function."""
    arguments = inside.args
    ordered = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    keywords = [argument.arg for argument in arguments.kwonlyargs]
    if name not in (*ordered, *keywords):
        return
    defaults = dict(zip(keywords, arguments.kw_defaults, strict=True))
    defaults |= dict(zip(reversed(ordered), reversed(arguments.defaults), strict=False))
    if (default := defaults.get(name)) is not None:
        yield from _slugs(default, None, module, modules)
    for other in modules:
        if not other.imports(inside.name, module):
            continue
        for call, around in other.calls:
            if isinstance(call.func, ast.Name) and call.func.id == inside.name:
                value = _argument(call, name)
                if value is None and name in ordered and ordered.index(name) < len(call.args):
                    value = call.args[ordered.index(name)]
                if value is not None:
                    yield from _slugs(value, around, other, modules)
