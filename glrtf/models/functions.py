"""package.module:function, as typed on the command line."""

import importlib
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
