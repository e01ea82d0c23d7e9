"""package.module:function, as typed on the command line."""

import hashlib
import importlib
import inspect
import os
import sys
from collections.abc import Callable
from typing import Any

from tfrecords_tools.errors import UserError


def find_function(name: str) -> Callable[..., Any]:
    """The function that package.module:function names; the current folder is searched, too.

    Raises:
        UserError: If there is no such module or function, or the module does not load.
    """
    module_name, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise UserError(
            f"{name}: expected a module {module_name} that can be imported, found none"
            f" ({type(error).__name__}: {error}); check the name and PYTHONPATH"
        ) from None
    function = getattr(module, attribute, None)
    if not callable(function):
        raise UserError(f"{name}: expected a function {attribute} in {module_name}, found none")
    return function


def function_digest(name: str, function: Callable[..., Any]) -> str:
    """A SHA-256 of a function's name and its module's source, 64 hex digits.

    Where the function has an attribute ``digest`` (text), which may name weights that it loads,
    that counts too.
    """
    source = inspect.getsourcefile(inspect.unwrap(function))
    digest = hashlib.sha256(name.encode())
    if source and os.path.exists(source):
        with open(source, "rb") as file:
            digest.update(file.read())
    digest.update(str(getattr(function, "digest", "")).encode())
    return digest.hexdigest()
