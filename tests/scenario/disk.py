"""A small file system of its own for a journal: it can be filled, or be read-only."""
import contextlib, os, shutil
import pytest
from harness import run


@contextlib.contextmanager
def small_disk(folder, size="4m", more=""):
    """Mounted at folder/disk, in memory, until the end; `more`: further options of mount(8), each after a comma."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("mounting a small file system needs root")
    d = folder / "disk"
    d.mkdir()
    if run("mount", "-t", "tmpfs", "-o", f"size={size},mode=755{more}", "tmpfs", d, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield d
    finally:
        run("umount", "-l", d, check=False)
