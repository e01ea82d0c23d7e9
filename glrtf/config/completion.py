"""Settings of `glrtf completion`."""

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class CompletionConfig:
    """Prints a script that completes commands, options and file names in a shell.

    Attributes:
        shell: The shell: bash or zsh.
    """

    shell: Literal["bash", "zsh"]
