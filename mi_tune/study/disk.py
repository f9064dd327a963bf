"""What becomes of a study when its disk is full or gone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mi_tune.runtime.errors import InputError, disk_is_full, error_of_the_disk
from mi_tune.study.folder import StudyFolder
from mi_tune.study.trainable import FULL_DISK


@contextmanager
def told_of_the_disk(study: StudyFolder) -> Iterator[None]:
    """Within it, a disk that is full, read-only or gone ends the study in one line."""
    try:
        yield
    except Exception as error:
        if isinstance(error, InputError):
            raise
        if disk_is_full(error):
            raise InputError(
                f"{study.path}: {FULL_DISK}; nothing that had finished is lost: free some space, then --resume"
            ) from error
        if (cause := error_of_the_disk(error, study.path)) is not None:
            raise InputError(
                f"{study.path}: cannot be written to any more ({cause.strerror}); what had finished is in it: once it "
                "is there and writable, --resume"
            ) from error
        raise
