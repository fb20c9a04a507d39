"""Whether an expression is a client: made by create_client, typed so, imported as such, or named in the settings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from . import tree
from .names import Binding, CodeProject
from .tree import Assign, Attribute, Call, Class, CodeNode, Function, Import, Name, Parameter, SourceFile

FACTORIES = {
    *("create_client", "acreate_client", "create_async_client", "createClient", "createServerClient", "createBrowserClient"),
    *("createClientComponentClient", "createServerComponentClient", "createRouteHandlerClient", "createMiddlewareClient"),
    *("createServerActionClient", "createPagesBrowserClient", "createPagesServerClient", "createServerSupabaseClient"),
    *("createBrowserSupabaseClient", "createMiddlewareSupabaseClient", "useSupabaseClient"),
}
TYPES = {"Client", "AsyncClient", "SyncClient", "SupabaseClient"}
_LIBRARY = re.compile(
    r"^(supabase(\.|$)|@supabase/|@supabase$|https://esm\.sh/@supabase/|npm:@supabase/|jsr:@supabase/|supabase_auth)"
)
_EMPTY = {"None", "null", "undefined"}
_TYPE = re.compile(r"(?:[\w.]+\.)?(\w+)\s*(?:[<\[].*[>\]])?", re.DOTALL)


@dataclass
class Clients:
    """Judges expressions of one repository. ``named``: dotted names that code_settings calls clients."""

    project: CodeProject
    named: Sequence[str] = ()
    schema: str = "public"
    _asked: set[CodeNode] = field(default_factory=set)
    _known: dict[CodeNode, bool] = field(default_factory=dict)

    def is_client(self, file: SourceFile, node: CodeNode) -> bool:
        """Whether it is shown to be a client."""
        node = tree.bare(node)
        if node in self._known:
            return self._known[node]
        if node in self._asked:  # a name made of itself
            return False
        self._asked.add(node)
        found = self._judge(file, node)
        self._asked.discard(node)
        self._known[node] = found
        return found

    def _judge(self, file: SourceFile, node: CodeNode) -> bool:
        name = tree.dotted(node)
        if name and any(name == known or name.endswith("." + known) for known in self.named):
            return True
        match node:
            case Name():
                return self._all(file, self.project.scopes[file.path].bindings(node), node)
            case Attribute():
                return self._attribute(file, node)
            case Call():
                return self._call(file, node)
            case tree.Branch():
                arms = (*node.then, *node.other)
                return (
                    len(arms) == 2
                    and all(self.is_client(file, arm) or _empty(arm) for arm in arms)
                    and not all(map(_empty, arms))
                )
            case tree.OperationNode(op="or"):
                first, last = node.operands[0], node.operands[-1]
                return self.is_client(file, last) and (bool(tree.dotted(first)) or self.is_client(file, first))
        return False

    def _all(self, file: SourceFile, bindings: Sequence[Binding], at: CodeNode) -> bool:
        """Every binding that gives something gives a client, and one does."""
        judged = [j for binding in bindings if (j := self._binding(file, binding, at)) is not None]
        return bool(judged) and all(judged)

    def _binding(self, file: SourceFile, binding: Binding, at: CodeNode) -> bool | None:
        if binding.annotation and self._typed(file, binding.annotation, binding.node):
            return True
        if isinstance(binding.node, Import):
            return self._imported(file, binding.node, at.id if isinstance(at, Name) else "")
        if isinstance(binding.node, Assign) and binding.node.augmented:
            return False
        if binding.value is None:
            return False if isinstance(binding.node, Parameter) else None
        if _empty(binding.value):
            return None if isinstance(binding.node, Assign) else False
        return self.is_client(file, binding.value)

    def _imported(self, file: SourceFile, node: Import, local: str) -> bool:
        there = dict(node.bindings).get(local, "")
        candidates = [
            given for path in self.project.modules(file.path, node.module) for given in self.project.exported(path, there)
        ]
        if there == "*" and file.language == "javascript":  # const supabase = require("./supabase")
            candidates = [
                given for path in self.project.modules(file.path, node.module) for given in self.project.exported(path, "default")
            ]
        judged = [self._given(where, given, there) for where, given in candidates]
        judged = [j for j in judged if j is not None]
        return bool(judged) and all(judged)

    def _given(self, file: SourceFile, node: CodeNode, name: str) -> bool | None:
        if isinstance(node, Assign):
            return self._binding(file, Binding(node, node.value, node.annotation), Name(node.start, node.end, name))
        if isinstance(node, Import):
            local = name if name in dict(node.bindings) else ""
            return self._imported(file, node, local)
        return self.is_client(file, node)

    def _attribute(self, file: SourceFile, node: Attribute) -> bool:
        scopes, of = self.project.scopes[file.path], tree.bare(node.of)
        if isinstance(of, Name) and of.id in ("self", "this", "cls"):
            around = scopes.class_of(node)
            return around is not None and self._all(file, scopes.attributes[around].get(node.name, []), node)
        if isinstance(of, Name):
            bindings = scopes.bindings(of)
            if len(bindings) == 1 and isinstance(bindings[0].node, Import):
                return self._of_module(file, bindings[0].node, of.id, node.name)
            if len(bindings) == 1 and isinstance(bindings[0].node, Class):
                return self._all(file, scopes.attributes[bindings[0].node].get(node.name, []), node)
        return False

    def _of_module(self, file: SourceFile, imported: Import, local: str, name: str) -> bool:
        there = dict(imported.bindings).get(local, "")
        module = imported.module
        if there not in ("*", "default", "*all") and file.language == "python":
            module = f"{module}{there}" if module.endswith(".") else f"{module}.{there}"
        given = [g for path in self.project.modules(file.path, module) for g in self.project.exported(path, name)]
        judged = [j for where, node in given if (j := self._given(where, node, name)) is not None]
        return bool(judged) and all(judged)

    def _call(self, file: SourceFile, node: Call) -> bool:
        func = tree.bare(node.func)
        if isinstance(func, Attribute) and func.name == "schema" and len(node.args) == 1 and self.is_client(file, func.of):
            first = node.args[0].value
            return isinstance(first, tree.TextNode) and first.literal == self.schema
        last = tree.dotted(func).rpartition(".")[2]
        if isinstance(func, Name):
            imports = [dict(b.node.bindings) for b in self.project.scopes[file.path].bindings(func) if isinstance(b.node, Import)]
            last = imports[0].get(func.id, last) if len(imports) == 1 else last
        if last in FACTORIES | TYPES and self._from_library(file, func):
            return all(self.schema == schema for schema in _schemas(node))
        if last == "Depends" and node.args:
            return self.is_factory(file, node.args[0].value)
        return self.is_factory(file, func)

    def is_factory(self, file: SourceFile, func: CodeNode) -> bool:
        """Whether calling it gives a client: each of its returns is one."""
        func = tree.bare(func)
        scopes = self.project.scopes[file.path]
        if isinstance(func, Function):
            return self._returns_client(file, func)
        if isinstance(func, Attribute):
            of, around = tree.bare(func.of), scopes.class_of(func)
            if isinstance(of, Name) and of.id in ("self", "this", "cls") and around is not None:
                found = scopes.attributes[around].get(func.name, [])
                return bool(found) and all(isinstance(b.node, Function) and self._returns_client(file, b.node) for b in found)
            return False
        if not isinstance(func, Name):
            return False
        bindings = scopes.bindings(func)
        return bool(bindings) and all(self._bound_factory(file, binding, func.id) for binding in bindings)

    def _bound_factory(self, file: SourceFile, binding: Binding, local: str) -> bool:
        if isinstance(binding.node, Import):
            there = dict(binding.node.bindings).get(local, "")
            paths = self.project.modules(file.path, binding.node.module)
            given = [g for path in paths for g in self.project.exported(path, there)]
            return bool(given) and all(self._given_factory(where, node, there) for where, node in given)
        return binding.value is not None and self.is_factory(file, binding.value)

    def _given_factory(self, file: SourceFile, node: CodeNode, name: str) -> bool:
        if isinstance(node, Assign):
            return node.value is not None and self.is_factory(file, node.value)
        if isinstance(node, Import):
            return self._bound_factory(file, Binding(node), name if name in dict(node.bindings) else "")
        return self.is_factory(file, node)

    def _returns_client(self, file: SourceFile, function: Function) -> bool:
        if function in self._asked:
            return False
        if function.returns and self._typed(file, _unpromised(function.returns), function):
            return True
        self._asked.add(function)
        scopes = self.project.scopes[file.path]
        values = [n.value for n in tree.walk(function) if isinstance(n, tree.Return) and scopes.scope_of(n) is function]
        judged = [self.is_client(file, value) for value in values if value is not None and not _empty(value)]
        self._asked.discard(function)
        return bool(judged) and all(judged)

    def _typed(self, file: SourceFile, annotation: str, at: CodeNode) -> bool:
        text = annotation.strip().strip("\"'")
        if made := re.fullmatch(r"(?:Awaited<)?ReturnType<typeof (\w+)>>?", text):
            return self.is_factory(file, self._name_at(file, at, made[1]))
        parts = [part.strip().strip("\"'") for part in re.split(r"\|(?![^<\[]*[>\]])", text)]
        if optional := re.fullmatch(r"(?:typing\.)?Optional\[(.*)\]", text, re.DOTALL):
            parts = [optional[1].strip().strip("\"'")]
        if annotated := re.match(r"(?:typing\.)?Annotated\[\s*([\w.]+)\s*,", text):
            parts = [annotated[1]]
        parts = [part for part in parts if part not in _EMPTY]
        found = _TYPE.fullmatch(parts[0]) if len(parts) == 1 else None
        if found is None or found[1] not in TYPES:
            return self._alias(file, parts[0], at) if len(parts) == 1 and parts[0].isidentifier() else False
        return self._from_library(file, self._name_at(file, at, parts[0].partition("<")[0].partition("[")[0].partition(".")[0]))

    def _alias(self, file: SourceFile, name: str, at: CodeNode) -> bool:
        """A type of the file's own: SupabaseDep = Annotated[Client, Depends(get_client)], or a library's type by another name."""
        bindings = self.project.scopes[file.path].names.get(file.root, {}).get(name, [])
        if len(bindings) != 1:
            return False
        node = bindings[0].node
        if isinstance(node, Import):
            return bool(_LIBRARY.match(node.module)) and dict(node.bindings).get(name, "") in TYPES
        if isinstance(node, Assign) and isinstance(node.value, tree.Subscript | tree.Other):
            text = file.text[node.value.start : node.value.end]
            return text.removeprefix("typing.").startswith("Annotated[") and self._typed(file, text, at)
        return False

    def _name_at(self, file: SourceFile, at: CodeNode, name: str) -> CodeNode:
        made = Name(at.start, at.end, name)
        file.parents[made] = at
        return made

    def _from_library(self, file: SourceFile, func: CodeNode) -> bool:
        """Whether the name at the beginning of a dotted one is imported from Supabase's library, here or one module away."""
        first = tree.dotted(func).partition(".")[0]
        made = Name(func.start, func.end, first)
        file.parents[made] = file.parent(func) or file.root
        bindings = self.project.scopes[file.path].bindings(made)
        bindings = [b for b in bindings if b.value is None or not _empty(b.value)]  # except ImportError: create_client = None
        imports = [b.node for b in bindings if isinstance(b.node, Import)]
        return bool(imports) and len(imports) == len(bindings) and all(_LIBRARY.match(i.module) for i in imports)


def _schemas(call: Call) -> list[str | None]:
    """What the options of a client say of its schema; None where that is computed."""
    found: list[CodeNode] = []
    for node in tree.walk(call):
        if isinstance(node, tree.Table):
            keys = [(e.key.id if isinstance(e.key, Name) else e.key.literal, e.value) for e in node.entries if e.key is not None]
            found += [value for key, value in keys if key == "schema"]
        if isinstance(node, Call):
            found += [argument.value for argument in node.args if argument.name == "schema"]
    return [value.literal if isinstance(value, tree.TextNode) else None for value in found]


def _empty(node: CodeNode) -> bool:
    return isinstance(node, tree.Constant) and node.value in _EMPTY


def _unpromised(annotation: str) -> str:
    found = re.fullmatch(r"(?:Promise<|Awaitable\[)(.*)[>\]]", annotation.strip(), re.DOTALL)
    return found[1] if found else annotation
