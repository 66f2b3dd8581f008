"""Names whose meaning is known: what code with them can reach, reads, does or leaves alone."""

from __future__ import annotations

import builtins

# Calls that may run any module: its name need not be in the text.
IMPORTING = {"import_module", "__import__", "exec", "eval", "iter_modules", "walk_packages"}
IMPORTING |= {"entry_points", "run_path", "run_module", "spec_from_file_location", "load_module"}
IMPORTING |= {"get_data", "exec_module", "find_spec", "locate", "resolve_name", "import_string"}
IMPORTING |= {"timeit", "testmod", "testfile", "runsource", "runctx"}
# Those whose only argument may be a string with the name of the module.
BY_NAME = {"import_module", "__import__", "find_spec"}
# Modules that have such functions, and those that import by what they are given or read.
IMPORTERS = {"importlib", "pkgutil", "runpy"}
LOADERS = {"builtins", "__builtins__", "pickle", "_pickle", "cloudpickle", "dill", "joblib"}
LOADERS |= {"shelve", "marshal"}
# Names that give access to a name without mentioning it: to any, or to one of an argument's.
ANY_NAME = IMPORTING | {"globals", "vars", "locals", "dir", "__dict__", "getmembers", "modules"}
ANY_NAME |= {"f_globals", "f_locals", "__globals__", "get_objects"}
GETTERS = {"attrgetter", "methodcaller"}  # whose arguments name attributes
ATTRIBUTE = GETTERS | {"getattr", "hasattr", "setattr", "__getattribute__"}
# Stand for every name that such a call may mean.
ANYTHING, ANY_ATTRIBUTE = "*", "?"
ANY = {ANYTHING: ANY_NAME, ANY_ATTRIBUTE: ATTRIBUTE}
# Mentions of what lists the functions that there are, without calling them.
LISTING = {"dir", "getmembers", ".getmembers"}

# Calls whose texts are messages, and arguments of others that are.
SHOWING = {"print", "warn", "debug", "info", "warning", "error", "exception", "critical", "log"}
SHOWING |= {"fail", "skip", "xfail", "echo", "add_argument", "add_parser", "exit"}
SHOWN = {"help", "description", "reason", "message", "msg", "title", "label", "doc", "epilog"}

# Words of code that is run as a class is made, and may count or register what is in it.
MAKING = {"__init_subclass__", "metaclass", "__prepare__", "__set_name__"}
# Bases that ignore the annotations of a class, and register it nowhere.
PLAIN_BASES = {*dir(builtins), "ABC", "Generic", "Protocol", "NamedTuple", "TypedDict", "Enum"}
# Those whose fields are the annotations.
MADE_OF_TYPES = {"NamedTuple", "TypedDict"}
# Decorators that only wrap a function, and calls that only return a value.
WRAPPING = {"property", "staticmethod", "classmethod", "cached_property", "cache", "lru_cache"}
WRAPPING |= {"wraps", "contextmanager", "asynccontextmanager", "overload", "override", "final"}
WRAPPING |= {"setter", "getter", "deleter", "dataclass", "total_ordering"}
GIVING = {"abs", "bool", "bytes", "complex", "dict", "divmod", "enumerate", "float", "frozenset"}
GIVING |= {"int", "len", "list", "max", "min", "object", "ord", "pow", "range", "repr", "reversed"}
GIVING |= {"round", "set", "slice", "sorted", "str", "sum", "tuple", "zip", "TypeVar", "ParamSpec"}
GIVING |= {"NewType", "namedtuple", "compile", "getLogger", "Decimal", "Fraction", "field", "cast"}
GIVING |= {"MappingProxyType", "timedelta", "itemgetter", "partial", "Path", "join", "format"}
GIVING |= {"Doc", "Version"}
GIVING |= {"OrderedDict", "Counter", "split", "strip", "lower", "upper", "keys", "values", "items"}
# Marks of pytest and its plugins that only keep what they are given, for when the tests are run.
MARKS = {"parametrize", "skip", "skipif", "xfail", "usefixtures", "filterwarnings", "timeout"}
MARKS |= {"benchmark", "codspeed_benchmark", "asyncio", "anyio", "flaky", "order"}
# Packages besides Python's own whose functions of these names only wrap, or return a value.
VALUES = {"numpy", "typing_extensions", "annotated_doc", "packaging"}
# Calls that only return a value if the function that they are given does.
APPLYING = {"map", "filter"}
GIVING |= APPLYING

# Names of a module that are read without being mentioned.
IMPLICIT = {"__getattr__", "__dir__", "__path__", "__builtins__", "__class__", "__package__"}

# Methods of these names may do anything, such as `set`.
BUILTIN = {*dir(builtins)} - {"compile", "format"}

# Names by which code reads docstrings, annotations, how a function is called, and its code.
DOCSTRINGS = {"__doc__", "getdoc", "render_doc", "help", "run_docstring_examples", "DocTestFinder"}
# Packages that take what they do from the docstrings of others.
BY_DOCSTRING = {"ply", "sly", "spark_parser", "docopt", "plac", "clize", "defopt", "fire", "tyro"}
BY_DOCSTRING |= {"jsonargparse", "docstring_parser", "numpydoc", "flasgger", "apispec"}
ANNOTATIONS = {"__annotations__", "__annotate__", "get_annotations", "get_type_hints", "signature"}
ANNOTATIONS |= {"getfullargspec"}
CALLING = ANNOTATIONS | {"__defaults__", "__kwdefaults__", "Signature", "getcallargs"}
CODE = {"co_code", "co_consts", "co_names", "co_varnames", "co_lines", "co_nlocals", "getsource"}
CODE |= {"dis", "Bytecode", "get_instructions"}
# Names by which code reads where something stands in its file.
LINES = {"co_firstlineno", "f_lineno", "tb_lineno", "getframeinfo", "getsourcelines", "findsource"}
# Modules that give the version of an installed project.
METADATA = {"metadata", "importlib_metadata", "pkg_resources"}
SUBCLASSES = "__subclasses__"
OUTSIDE = DOCSTRINGS | CALLING | CODE | LINES | METADATA | {SUBCLASSES}
# Words of code that tells objects apart by the methods that they have.
TELLING = {"runtime_checkable", "__subclasshook__"}
# Words of a file that says which methods these are.
WANTED = TELLING | {"Protocol", "abstractmethod", "__abstractmethods__"}
# Special methods that are run wherever it matters that a class has them.
RUN = {"__init__", "__new__", "__post_init__", "__del__", "__repr__", "__str__", "__format__"}
RUN |= {"__getattr__", "__getattribute__", "__setattr__", "__delattr__", "__set_name__"}
RUN |= {"__init_subclass__", "__missing__", "__bool__", "__reduce__", "__enter__", "__exit__"}
