"""Where a user's own generator comes from: a factory that is imported, and a file of weights."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from mi_tune.runtime.errors import InputError
from mi_tune.runtime.seeds import derive_seed


@dataclass(frozen=True)
class GeneratorSource:
    """Code and weights of a generator.

    Args:
        factory: `package.module:factory` of an installed package, or `path/to/file.py:factory`. The factory takes no
            arguments and returns an nn.Module; the class of a module that takes none is one. The file may import what
            lies beside it.
        weights: a file that `torch.save(module.state_dict(), path)` wrote, or None if the factory sets the weights. It
            is read without unpickling code; the factory is code, and is run.
    """

    factory: str
    weights: Path | None = None

    def __str__(self) -> str:
        return f"generator '{self.factory}'"

    @property
    def _place(self) -> str:
        return self.factory.rpartition(":")[0]

    @property
    def _is_file(self) -> bool:
        return self._place.endswith(".py")

    def check(self) -> None:
        """Raise InputError if a file or package is missing. Runs no code of the user's."""
        if self._is_file:
            if not Path(self._place).is_file():
                raise InputError(f"{self}: no such file; give path/to/file.py:factory")
        elif importlib.util.find_spec(self._place.partition(".")[0]) is None:
            raise InputError(
                f"{self}: no package '{self._place.partition('.')[0]}' is installed; "
                "install it, or give path/to/file.py:factory"
            )
        if self.weights is not None and not self.weights.is_file():
            raise InputError(f"{self.weights}: no such file; give the generator's weights (prior.weights)")

    def module(self) -> ModuleType:
        """The imported module of the factory. Raises InputError if its import fails."""
        self.check()
        try:
            return _from_file(Path(self._place)) if self._is_file else importlib.import_module(self._place)
        except Exception as error:
            raise InputError(f"{self}: its import fails ({one_line(error)})") from error

    def build(self) -> nn.Module:
        """What the factory returns, before the weights are read; the global random stream is left as it was.

        Raises InputError if there is no such factory, it fails, or it returns something else than an nn.Module.
        """
        module, name = self.module(), self.factory.rpartition(":")[2]
        make = getattr(module, name, None)
        if not callable(make):
            near = difflib.get_close_matches(name, vars(module), n=3)
            hint = f"did you mean {', '.join(near)}?" if near else "name a function or class of it"
            raise InputError(f"{self}: {self._place} has no factory '{name}'; {hint}")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(0, "own generator"))
            try:
                made = make()
            except Exception as error:
                raise InputError(f"{self}: its factory fails without arguments ({one_line(error)})") from error
        if not isinstance(made, nn.Module):
            raise InputError(f"{self}: the factory returns a {type(made).__name__}, not an nn.Module")
        return made

    def load_weights(self, module: nn.Module) -> None:
        """Read the weights into `module`.

        Raises InputError if the file holds anything but a state_dict of this module, or a number that is not finite.
        """
        if self.weights is not None:
            state = self._state()
            try:
                module.load_state_dict(state)
            except (RuntimeError, AttributeError) as error:
                raise InputError(f"{self.weights}: not the weights of {self} ({one_line(error)})") from error
        for name, value in module.state_dict().items():
            if value.is_floating_point() and not torch.isfinite(value).all():
                raise InputError(f"{self.weights or self}: '{name}' has NaN or infinite values; give sound weights")

    def _state(self) -> dict[str, Tensor]:
        way_out = "save a state_dict: torch.save(module.state_dict(), path)"
        try:
            state = torch.load(self.weights, weights_only=True, map_location="cpu")
        except Exception as error:  # whatever a file of another kind makes the unpickler do
            raise InputError(f"{self.weights}: no file of plain tensors ({type(error).__name__}); {way_out}") from error
        if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
            raise InputError(f"{self.weights}: holds more than tensors by name; {way_out}")
        return state


def _from_file(path: Path) -> ModuleType:
    """The file as a module, executed once for each content."""
    path = path.absolute()
    digest = hashlib.sha256(str(path).encode() + path.read_bytes()).hexdigest()[:16]
    name = f"mi_tune_generator_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    # behind everything that is installed, so that no neighbour of the file replaces it
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
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
    """An exception's type and the beginning of its message."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}{'...' if len(text) > 200 else ''}" if text else type(error).__name__
