"""What QEMU boots: the kernel as ELF, which starts faster, and the archive that it begins with."""

import lzma
import os
import shutil
import struct
import subprocess
import zlib

from packages import Missing


def extract(compressed, path):
    """Writes the kernel that a bzImage contains (Documentation/arch/x86/boot.rst: payload_offset)."""
    with open(compressed, "rb") as file:
        image = file.read()
    if image[0x202:0x206] == b"" or image[0x1FE:0x200] != b"\x55\xaa":
        raise Missing(f"{compressed} is no bzImage")
    begin = ((image[0x1F1] or 4) + 1) * 512
    offset, length = struct.unpack_from("<II", image, 0x248)
    payload = image[begin + offset:begin + offset + length]
    if payload.startswith(b"\xfd7zXZ\0"):
        kernel = lzma.LZMADecompressor().decompress(payload)
    elif payload.startswith(b"\x1f\x8b"):
        kernel = zlib.decompressobj(31).decompress(payload)
    else:
        program = "zstd" if payload.startswith(b"\x28\xb5\x2f\xfd") else "lz4"
        if not shutil.which(program):
            raise Missing(f"the kernel is compressed by {program}, which is not installed")
        # The last four octets are the length.
        kernel = subprocess.run([program, "-dc"], input=payload[:-4], stdout=subprocess.PIPE, timeout=60).stdout
    if not kernel.startswith(b"\x7fELF"):
        raise Missing(f"{compressed} holds no kernel that can be read")
    with open(path, "wb") as file:
        file.write(kernel)


def closure(modules, names):
    """The files of the modules with what they need, in the order of loading; built-in ones are left out."""
    needs, places = {}, {}
    with open(os.path.join(modules, "modules.dep")) as file:
        for line in file:
            module, _, rest = line.rstrip("\n").partition(":")
            needs[module] = rest.split()
            places[os.path.basename(module).split(".ko")[0].replace("-", "_")] = module
    order = []
    for name in names:
        module = places.get(name.replace("-", "_"))
        if module:
            order += [need for need in [*reversed(needs[module]), module] if need not in order]
    return order


class Archive:
    """A cpio archive in the form that the kernel unpacks (`newc`)."""

    def __init__(self):
        self._parts = []
        self._count = 0

    def _entry(self, name, mode, data=b""):
        self._count += 1
        encoded = name.encode() + b"\0"
        fields = [self._count, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0]
        header = b"070701" + "".join(f"{field:08x}" for field in fields).encode() + encoded
        self._parts += [header, b"\0" * (-len(header) % 4), data, b"\0" * (-len(data) % 4)]

    def directory(self, name):
        self._entry(name, 0o040755)

    def file(self, name, path, mode=0o755):
        with open(path, "rb") as file:
            self._entry(name, 0o100000 | mode, file.read())

    def text(self, name, text):
        self._entry(name, 0o100644, text.encode())

    def write(self, path):
        self._entry("TRAILER!!!", 0)
        with open(path, "wb") as file:
            file.write(b"".join(self._parts))
