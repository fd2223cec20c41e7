"""PNG and safetensors files made by hand, so that they can be wrong in every way."""

import base64
import json
import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"

# Noise of 16 pixels square: grey and baseline, and in colour and progressive.
JPEGS = [
    base64.b64decode(
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8ybqmx5moq6T/"
        "wAALCAAQABABAREA/8QAFgABAQEAAAAAAAAAAAAAAAAAAwAB/8QAIhABAAIBBAEFAQAAAAAAAAAAAQIRAxIhMUEEEyJRYYHx/9oACAEBAAA/AMk4oa4wcmEZ"
        "JFhkQ32Brmj3fqdNr4yTJTiSd9OiONVC0qwBu2/vk7DxshgxacuqGJGWiVO5zvX8RetqscowxwnryaX06oOeYtfMO75N+3//2Q=="
    ),
    base64.b64decode(
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8ybqmx5moq6T/"
        "2wBDARweHigjKE4rK06kbl1upKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKT/wgARCAAQABADASIAAhEBAxEB/8QA"
        "FQABAQAAAAAAAAAAAAAAAAAAAQL/xAAVAQEBAAAAAAAAAAAAAAAAAAAAAf/aAAwDAQACEAMQAAABKCP/xAAWEAEBAQAAAAAAAAAAAAAAAAAAQRH/2gAIAQEA"
        "AQUCTE//xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oACAEDAQE/AX//xAAVEQEBAAAAAAAAAAAAAAAAAAAAMf/aAAgBAgEBPwGv/8QAGBAAAgMAAAAAAAAAAAAA"
        "AAAAABAhUWH/2gAIAQEABj8C0kpf/8QAHBAAAgICAwAAAAAAAAAAAAAAAREAITFRQWFx/9oACAEBAAE/IaKtcFuAWPqtQu2MMbgXQz//2gAMAwEAAgADAAAA"
        "EPv/xAAXEQADAQAAAAAAAAAAAAAAAAAAARHw/9oACAEDAQE/EI1qf//EABURAQEAAAAAAAAAAAAAAAAAAABR/9oACAECAQE/EIf/xAAcEAEBAAMBAAMAAAAA"
        "AAAAAAABESExQQBhcfD/2gAIAQEAAT8QTlQlHTRyPrAtFrQ4Q1MfuFjNJTQWnwJfMl2RI3I5xdGPr3//2Q=="
    ),
]


def chunk(kind, data, check=None):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) if check is None else check)


def header(width, height, depth=8, colour=0, interlace=0, compression=0, filtering=0):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, compression, filtering, interlace))


def png(width, height, data=None, depth=8, colour=0, interlace=0, before=b"", after=b"", end=True):
    """A PNG whose pixels compress to `data`, or black ones."""
    if data is None:
        channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
        data = zlib.compress(bytes((1 + (width * depth * channels + 7) // 8)) * height, 9)
    return (
        SIGNATURE + header(width, height, depth, colour, interlace) + before + chunk(b"IDAT", data) + after
        + (chunk(b"IEND", b"") if end else b""))


def noise(random, side=24):
    """A grey image of random pixels."""
    return png(side, side, zlib.compress(b"".join(b"\0" + random.randbytes(side) for _ in range(side))))


def zeros(count):
    """`count` zero bytes, compressed, without making them all at once."""
    packer = zlib.compressobj(9)
    parts = []
    block = bytes(1 << 20)
    while count > 0:
        parts.append(packer.compress(block[: min(count, len(block))]))
        count -= len(block)
    return b"".join(parts) + packer.flush()


def bombs():
    """(name, bytes) of images that must be refused by name, small in memory and time."""
    pixels = zlib.compress((b"\0" + b"\x80" * 64) * 64)
    yield "1 MiB that is 1 GiB", png(32768, 32768, zeros(32769 * 32768))
    yield "4096 times the pixels of the header", png(64, 64, zeros(65 * 64 * 4096))
    yield "10^6 x 1", png(10**6, 1)
    yield "1 x 10^6", png(1, 10**6)
    yield "2^31-1 square", png(2**31 - 1, 2**31 - 1, pixels)
    yield "2^32-1 square", png(2**32 - 1, 2**32 - 1, pixels)
    yield "0 x 0", png(0, 0, pixels)
    yield "0 x 64", png(0, 64, pixels)
    yield "65535 square, 16 bits, interlaced", png(65535, 65535, pixels, depth=16, interlace=1)
    yield "30000 square RGBA of 16 bits", png(30000, 30000, pixels, depth=16, colour=6)
    yield "truncated IDAT", png(64, 64, pixels)[:-60]
    yield "half of the pixels", png(64, 64, zlib.compress((b"\0" + b"\x80" * 64) * 32))
    yield "no pixels", png(64, 64, b"")
    yield "a wrong CRC of IHDR", SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0), 1) + chunk(b"IDAT", pixels)
    yield "a wrong CRC of IDAT", SIGNATURE + header(64, 64) + chunk(b"IDAT", pixels, 1) + chunk(b"IEND", b"")
    yield "a wrong Adler sum", png(64, 64, pixels[:-4] + b"\0\0\0\0")
    yield "no IHDR", SIGNATURE + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    yield "two IHDR", SIGNATURE + header(64, 64) + header(8, 8) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    yield "an IDAT of 2^31 bytes", SIGNATURE + header(64, 64) + struct.pack(">I", 2**31) + b"IDAT" + pixels
    yield "an IDAT of 2^32-1 bytes", SIGNATURE + header(64, 64) + struct.pack(">I", 2**32 - 1) + b"IDAT" + pixels
    yield "depth 3", png(64, 64, pixels, depth=3)
    yield "a palette that is missing", png(64, 64, pixels, colour=3)
    yield "a palette of 1000 bytes", png(64, 64, pixels, colour=3, before=chunk(b"PLTE", bytes(1000)))
    yield "colour type 5", SIGNATURE + header(64, 64, colour=5) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    yield "compression 9", SIGNATURE + header(64, 64, compression=9) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    yield "interlacing 7", SIGNATURE + header(64, 64, interlace=7) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    yield "filter 200", png(64, 64, zlib.compress((b"\xc8" + b"\x80" * 64) * 64))
    yield "an unknown critical chunk", png(64, 64, pixels, before=chunk(b"EVIL", bytes(100)))
    yield "only a signature", SIGNATURE
    yield "no image", b"hello, I am a text\n" * 100


def tensors(entries, data=b"", length=None, raw=None):
    """A safetensors file; `length` in place of the true length of the header."""
    text = raw if raw is not None else json.dumps(entries).encode()
    return struct.pack("<Q", len(text) if length is None else length & (2**64 - 1)) + text + data


def weights(good):
    """(name, bytes) of hostile weights, made from good ones."""
    size = struct.unpack("<Q", good[:8])[0]
    entries = json.loads(good[8 : 8 + size])
    data = good[8 + size :]
    names = [name for name in entries if name != "__metadata__"]
    largest = max(names, key=lambda name: entries[name]["data_offsets"][1] - entries[name]["data_offsets"][0])

    def changed(name=largest, **fields):
        return {**entries, name: {**entries[name], **fields}}

    begin, end = entries[largest]["data_offsets"]
    yield "a header of 2^63 bytes", tensors(entries, data, length=2**63)
    yield "a header of 2^64-1 bytes", tensors(entries, data, length=2**64 - 1)
    yield "a header longer than the file", tensors(entries, data, length=len(good) * 2)
    yield "a header of 100 MB", tensors(None, b"", raw=b"{" + b" " * (100 * 10**6) + b"}")
    yield "100,000 entries", tensors({f"t{number}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for number in range(10**5)})
    yield "a shape whose product wraps", tensors(changed(shape=[2**32, 2**32, 2]), data)
    yield "a negative shape", tensors(changed(shape=[-1, -(end - begin)]), data)
    yield "a shape of 10^6 numbers", tensors(changed(shape=[1] * 10**6), data)
    yield "an overlap", tensors(changed(data_offsets=[max(0, begin - 4), end - 4] if begin else [begin + 4, end + 4]), data)
    yield "a hole", tensors({**entries, "hole": {"dtype": "F32", "shape": [1], "data_offsets": [len(data) + 64, len(data) + 68]}}, data + bytes(68))
    yield "offsets past the end", tensors(changed(data_offsets=[begin, len(data) * 4]), data)
    yield "offsets backwards", tensors(changed(data_offsets=[end, begin]), data)
    yield "a wrong type", tensors(changed(dtype="I64"), data)
    yield "an unknown type", tensors(changed(dtype="F4096"), data)
    width = 2 if entries[largest]["dtype"] in ("F16", "BF16") else 4
    nan = {("F16", 2): b"\x00\x7e", ("BF16", 2): b"\xc0\x7f"}.get((entries[largest]["dtype"], width), b"\x00\x00\xc0\x7f")
    infinite = {("F16", 2): b"\x00\x7c", ("BF16", 2): b"\x80\x7f"}.get((entries[largest]["dtype"], width), b"\x00\x00\x80\x7f")
    yield "NaN among the weights", tensors(entries, data[:begin] + nan + data[begin + width :])
    yield "infinity among the weights", tensors(entries, data[:begin] + infinite + data[begin + width :])
    yield "a tensor missing", tensors({name: entry for name, entry in entries.items() if name != largest}, data)
    yield "no JSON", tensors(None, data, raw=b"\xff" * 1000)
    yield "100,000 brackets", tensors(None, data, raw=b"[" * 10**5)
    yield "half of the data", good[: 8 + size + len(data) // 2]
    yield "seven bytes", good[:7]
    yield "nothing", b""
