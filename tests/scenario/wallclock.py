"""A wall clock that tests set, for all processes of a stile: see wallclock.c."""
import datetime, mmap, os, pathlib, struct, time, zoneinfo
from harness import BUILD, run


class WallClock:
    def __init__(self, folder, zone="Europe/London"):
        self.zone = zoneinfo.ZoneInfo(zone)
        self.library = pathlib.Path(folder) / "wallclock.so"
        run("cc", "-shared", "-fPIC", "-O1", "-o", self.library, pathlib.Path(__file__).with_suffix(".c"))
        self.file = pathlib.Path(folder) / "wallclock"
        self.file.write_bytes(bytes(8))
        with open(self.file, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 8)

    def environment(self):
        """For the processes that go by this clock."""
        more = {"ASAN_OPTIONS": "verify_asan_link_order=0"} if "san" in BUILD.name else {}
        return {**os.environ, "LD_PRELOAD": str(self.library), "WALLCLOCK": str(self.file), **more}

    def now(self):
        return time.time() + struct.unpack("q", self.map[:])[0] / 1e9

    def set(self, text, fold=0):
        """"YYYY-MM-DD HH:MM:SS" of the zone; fold=1: the second of two."""
        time.sleep(0.1)  # what has just been moved is counted by the time that was
        at = datetime.datetime.fromisoformat(text).replace(tzinfo=self.zone, fold=fold).timestamp()
        self.map[:] = struct.pack("q", int((at - time.time()) * 1e9))

    def step(self, seconds):
        time.sleep(0.1)
        self.map[:] = struct.pack("q", struct.unpack("q", self.map[:])[0] + int(seconds * 1e9))
