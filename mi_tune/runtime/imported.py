"""A user's own code: a factory that is imported, and for modules a file of weights."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, ClassVar

import torch
from torch import nn

from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed
from mi_tune.runtime.state_files import read_state, without_prefixes
from mi_tune.runtime.wording import near_names


@dataclass(frozen=True)
class OwnFactory:
    """A user's own factory.

    Args:
        factory: `package.module:factory` of an installed package, or `path/to/file.py:factory`. The file may import
            files from its own folder.
    """

    factory: str

    kind: ClassVar[str] = "factory"
    """What it makes, for messages."""

    def __str__(self) -> str:
        return f"{self.kind} '{self.factory}'"

    @property
    def _location(self) -> str:
        """The file or module of the factory."""
        return self.factory.rpartition(":")[0]

    @property
    def _is_file(self) -> bool:
        return self._location.endswith(".py")

    def check(self) -> None:
        """Raise InputError if a file or package is missing. Runs none of the user's code."""
        if self._is_file:
            if not Path(self._location).is_file():
                raise InputError(f"{self}: no such file; give path/to/file.py:factory")
        elif importlib.util.find_spec(self._location.partition(".")[0]) is None:
            raise InputError(
                f"{self}: no package '{self._location.partition('.')[0]}' is installed; "
                "install it, or give path/to/file.py:factory"
            )

    def module(self) -> ModuleType:
        """Import the factory's Python module. Raises InputError if that fails."""
        self.check()
        try:
            return _from_file(Path(self._location)) if self._is_file else importlib.import_module(self._location)
        except Exception as error:
            raise InputError(f"{self}: its import fails ({one_line(error)})") from error

    def find(self) -> Callable[..., Any]:
        """The factory itself. Raises InputError if there is none of this name, or its import fails."""
        module, name = self.module(), self.factory.rpartition(":")[2]
        make = getattr(module, name, None)
        if not callable(make):
            near = near_names(name, vars(module))
            hint = f"did you mean {', '.join(near)}?" if near else "name a function or class of it"
            raise InputError(f"{self}: {self._location} has no factory '{name}'; {hint}")
        return make

    def call(self, *arguments: Any, seed: int = 0) -> Any:
        """Call the factory, with the global random generator seeded by `seed`; the generator's state is kept.

        Raises InputError if there is no such factory, or it fails.
        """
        make = self.find()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, f"own {self.kind}"))
            try:
                return make(*arguments)
            except Exception as error:
                given = f"on {arguments}" if arguments else "without arguments"
                raise InputError(f"{self}: its factory fails {given} ({one_line(error)})") from error


@dataclass(frozen=True)
class OwnModule(OwnFactory):
    """Code and weights of a user's own module.

    Args:
        factory: see `OwnFactory`; it takes no arguments and returns an nn.Module. A module class without arguments will
            do.
        weights: a file that `torch.save(module.state_dict(), path)` or safetensors wrote, or None if the factory sets
            the weights. It is read without unpickling code. The factory itself is code, and is run.
    """

    weights: Path | None = None

    kind: ClassVar[str] = "module"
    setting: ClassVar[str] = "weights"
    """Name of the setting that holds the path of the weights."""

    def check(self) -> None:
        """Raise InputError if a file or package is missing. Runs none of the user's code."""
        super().check()
        if self.weights is not None and not self.weights.is_file():
            raise InputError(f"{self.weights}: no such file; give the {self.kind}'s weights ({self.setting})")

    def build(self) -> nn.Module:
        """Call the factory, without reading the weights. The state of the global random generator is kept.

        Raises InputError if there is no such factory, it fails, or it does not return an nn.Module.
        """
        made = self.call()
        if not isinstance(made, nn.Module):
            raise InputError(f"{self}: the factory returns a {type(made).__name__}, not an nn.Module")
        return made

    def load_weights(self, module: nn.Module) -> None:
        """Load the weights into `module`.

        Raises InputError if the file is not a state_dict of this module, or a weight is not finite.
        """
        if self.weights is not None:
            try:
                module.load_state_dict(without_prefixes(read_state(self.weights), module.state_dict()).state)
            except (RuntimeError, AttributeError) as error:
                raise InputError(f"{self.weights}: not the weights of {self} ({one_line(error)})") from error
        for name, value in module.state_dict().items():
            if value.is_floating_point() and not torch.isfinite(value).all():
                raise InputError(f"{self.weights or self}: '{name}' has NaN or infinite values; give finite weights")


def checked_factory(factory: str) -> str:
    """The import path of a factory; a file's path is made absolute, because workers have their own working directories.

    Raises ValueError if it is none.
    """
    place, _, name = factory.rpartition(":")
    if place.endswith(".py") and name.isidentifier():
        return f"{Path(place).absolute()}:{name}"
    if not all(part.isidentifier() for part in (*place.split("."), name)):
        raise ValueError(f"'{factory}' is neither package.module:factory nor path/to/file.py:factory")
    return factory


class _Uncached(SourceFileLoader):
    """Reads the source each time, and writes no bytecode into the user's folder.

    Bytecode is found again by the file's time and size, which another content can share.
    """

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _from_file(path: Path) -> ModuleType:
    """Import a file as a module; it is executed once for each content."""
    path = path.absolute()
    digest = hashlib.sha256(str(path).encode() + path.read_bytes()).hexdigest()[:16]
    name = f"mi_tune_own_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    # at the end of the path, so that no file of this folder replaces an installed package
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path, loader=_Uncached(name, str(path)))
    assert spec is not None and spec.loader is not None  # .py files have a loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def one_line(error: Exception) -> str:
    """The type of an exception and the beginning of its message, in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}{'...' if len(text) > 200 else ''}" if text else type(error).__name__
