"""Writes the corpus of the fuzz targets: `python3 make.py` in this folder.

A file whose name begins with `sound` must be taken, every other refused; the tests hold the
readers to it. Nothing here uses the code under test, nor torch: every form is written by hand from
what PyTorch writes. A file that a fuzzer found is kept beside these, under a name that says what it
did.
"""

import struct
import zlib
from pathlib import Path

HERE = Path(__file__).parent
FLOATS = ("FloatStorage", "0", 16)
MANY = 1 << 40
LARGEST = (1 << 63) - 1


# Pickles.

def text(content):
    content = content.encode()
    return b"X" + struct.pack("<I", len(content)) + content


def integer(number):
    return b"\x8a\x08" + struct.pack("<q", number)


def integers(numbers):
    return b"(" + b"".join(map(integer, numbers)) + b"t"


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def storage(kind, key, elements, view=b""):
    return (
        b"(" + text("storage") + name("torch", kind) + text(key) + text("cpu")
        + integer(elements) + view + b"tQ"
    )


def tensor(of=FLOATS, offset=0, shape=(16,), strides=(1,)):
    return (
        name("torch._utils", "_rebuild_tensor_v2") + b"(" + storage(*of) + integer(offset)
        + integers(shape) + integers(strides) + b"\x89)tR"
    )


def pickle(body):
    return b"\x80\x02" + body + b"."


def dictionary(*members):
    return pickle(b"}(" + b"".join(text(key) + value for key, value in members) + b"u")


def module(attributes):
    return name("__torch__", "Net") + b")\x81" + attributes + b"b"


# Containers.

def behind_header(body, storages=(("0", 16, bytes(64)),)):
    """What follows the header of a legacy file."""
    keys = pickle(b"](" + b"".join(text(key) for key, _, _ in storages) + b"e")
    return body + keys + b"".join(struct.pack("<Q", count) + held for _, count, held in storages)


HEADER = (
    pickle(b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19")
    + pickle(b"M\xe9\x03")
    + pickle(b"}" + text("little_endian") + b"\x88s")
)


def deflate(content):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def archive(*entries, count=None, directory_at=None):
    """Entries are (name, content), or (name, method, packed, stated size). No checksums."""
    content, directory = b"", b""
    for entry in entries:
        named, method, packed, size = (
            entry if len(entry) == 4 else (entry[0], 0, entry[1], len(entry[1]))
        )
        named = named.encode()
        fields = struct.pack("<HHHIIIIHH", 20, 0, method, 0, 0, len(packed), size, len(named), 0)
        directory += b"PK\x01\x02\x14\0" + fields + bytes(10) + struct.pack("<I", len(content))
        directory += named
        content += b"PK\x03\x04" + fields + named + packed
    count = len(entries) if count is None else count
    at = len(content) if directory_at is None else directory_at
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, count, count, len(directory), at, 0)
    return content + directory + end


def packed(named, content, size=None):
    return (named, 8, deflate(content), len(content) if size is None else size)


STORAGE = ("x/data/0", bytes(64))


def zip_of(body, *others):
    return archive(("x/data.pkl", body), *(others or (STORAGE,)))


# Protobuf.

def varint(number):
    number &= (1 << 64) - 1
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number, content):
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def onnx_input(named, shape):
    axes = b"".join(field(1, field(1, length)) for length in shape)
    return field(1, named) + field(2, field(1, field(1, 1) + field(2, axes)))


def onnx_tensor(named, dims, values=b"", location=0):
    return (
        b"".join(field(1, length) for length in dims) + field(2, 1) + field(8, named)
        + field(9, values) + field(14, location)
    )


def onnx_node(kind, reads, writes, **attributes):
    content = b"".join(field(1, value) for value in reads)
    content += b"".join(field(2, value) for value in writes) + field(4, kind)
    for called, numbers in attributes.items():
        numbers = b"".join(field(8, number) for number in numbers)
        content += field(5, field(1, called) + numbers + field(20, 7))
    return content


def onnx(nodes, constants=()):
    graph = b"".join(field(1, node) for node in nodes)
    graph += b"".join(field(5, constant) for constant in constants)
    graph += field(11, onnx_input("mel", (1, 1, 80, 16)))
    graph += field(11, onnx_input("face", (1, 6, 96, 96)))
    graph += field(12, onnx_input("mouths", (1, 3, 96, 96)))
    return field(1, 8) + field(7, graph) + field(8, field(2, 17))


# The corpus.

def objects():
    """Pickles of one object each, which both a legacy file and an archive may hold."""
    one = dictionary(("a", tensor()))
    yield "sound", one
    nested = b"}" + text("module.a") + tensor() + b"s"
    yield "sound_nested", dictionary(("epoch", b"K\x01"), ("state_dict", nested))
    yield "sound_transposed", dictionary(("a", tensor(shape=(4, 4), strides=(1, 4))))
    yield "sound_broadcast", dictionary(("a", tensor(shape=(3, 5), strides=(0, 1))))
    # An empty tensor whose other axes have no product.
    none = tensor(shape=(0, MANY, MANY), strides=(0, MANY, 1))
    yield "sound_no_elements", dictionary(("a", none))
    yield "cut_in_shape", one[: len(one) * 3 // 4]
    yield "cut_before_stop", one[:-1]
    yield "negative_stride", dictionary(("a", tensor(offset=3, shape=(4,), strides=(-1,))))
    yield "negative_length", dictionary(("a", tensor(shape=(-4,))))
    yield "negative_offset", dictionary(("a", tensor(offset=-1, shape=(1,))))
    far = tensor(offset=LARGEST, shape=(2,), strides=(LARGEST,))
    yield "offset_overflow", dictionary(("a", far))
    yield "shape_overflow", dictionary(("a", tensor(shape=(MANY, MANY), strides=(0, 0))))
    yield "shape_of_terabytes", dictionary(("a", tensor(shape=(MANY,), strides=(0,))))
    yield "nine_axes", dictionary(("a", tensor(shape=(1,) * 9, strides=(1,) * 9)))
    yield "storage_too_short", dictionary(("a", tensor(("FloatStorage", "0", 17))))
    yield "storage_too_long", dictionary(("a", tensor(("FloatStorage", "0", 15), shape=(1,))))
    yield "storage_overflow", dictionary(("a", tensor(("DoubleStorage", "0", LARGEST), shape=(1,))))
    yield "storage_negative", dictionary(("a", tensor(("FloatStorage", "0", -1), shape=(1,))))
    halves = tensor(("HalfStorage", "0", 32))
    yield "storage_of_two_types", dictionary(("a", tensor()), ("b", halves))
    yield "storage_absent", dictionary(("a", tensor(("FloatStorage", "7", 16))))
    view = b"(" + text("v") + integer(LARGEST) + integer(1) + b"t"
    yield "view_overflow", dictionary(("a", tensor((*FLOATS, view))))
    yield "foreign_function", pickle(name("posix", "system") + b"(" + text("id") + b"tR")
    yield "list_in_itself", pickle(b"]q\x00h\x00a")
    yield "dictionary_in_itself", pickle(b"}q\x00" + text("state_dict") + b"h\x00s")
    yield "tuple_of_itself", pickle(b"]q\x00h\x00\x85q\x01a")
    yield "deep_tuples", pickle(b")" + b"\x85" * 2_000)
    yield "memo_far_away", pickle(b"Nr\xff\xff\xff\xff")
    yield "memo_unset", pickle(b"h\x07")
    yield "memo_doubling", pickle(b"]" + b"".join(b"q\x00h\x00h\x00\x86" for _ in range(60)))
    yield "brackets", pickle(b"(" * 2_000)
    yield "text_too_long", pickle(b"X\xff\xff\xff\xff")
    yield "text_of_exabytes", pickle(b"\x8d" + b"\xff" * 8)
    yield "integer_too_long", pickle(b"\x8b\xff\xff\xff\x7f")
    yield "empty_stack", b"."


def of_modules():
    """Pickles of TorchScript objects."""
    yield "sound_module", pickle(module(b"}" + text("a") + tensor() + b"s"))
    yield "module_in_itself", pickle(
        name("__torch__", "Net") + b")\x81q\x00}" + text("child") + b"h\x00sb"
    )
    doubled = name("__torch__", "Net") + b"q\x00)\x81q\x01"
    doubled += (b"h\x00)\x81}(" + text("a") + b"h\x01" + text("b") + b"h\x01ubq\x01") * 30
    yield "module_by_many_paths", pickle(doubled)
    yield "module_without_attributes", pickle(module(b"N"))


def legacies():
    for called, body in objects():
        yield called, behind_header(body)
    one = dictionary(("a", tensor()))
    zeros = bytes(64)
    whole = behind_header(one)
    yield "cut_in_storage", whole[:-5]
    yield "cut_in_count", whole[:-70]
    yield "key_twice", behind_header(one, [("0", 16, zeros)] * 2)
    yield "key_of_no_tensor", behind_header(one, [("0", 16, zeros), ("1", 16, zeros)])
    yield "count_differs", behind_header(one, [("0", 4, zeros)])
    yield "count_overflow", behind_header(one, [("0", (1 << 64) - 1, zeros)])
    yield "keys_are_no_list", one + pickle(b"N") + zeros


def files():
    one = dictionary(("a", tensor()))
    sound = zip_of(one)
    yield "sound_legacy.pth", HEADER + behind_header(one)
    yield "sound_zip.pth", sound
    tree = pickle(module(b"}" + text("a") + tensor() + b"s"))
    yield "sound_torchscript.pt", zip_of(tree, ("x/constants.pkl", pickle(b")")), STORAGE)
    yield "sound_packed.pth", archive(packed("x/data.pkl", one), packed(*STORAGE))
    yield "sound.onnx", onnx([])
    yield "sound_no_elements.pth", zip_of(
        dictionary(("a", tensor(shape=(MANY, 0, MANY, MANY), strides=(0,) * 4)))
    )
    for length in (0, 1, 4, 30, 100, len(sound) // 2, len(sound) - 30, len(sound) - 1):
        yield f"cut_zip_{length}.pth", sound[:length]
    for length in (7, 20, 60):
        yield f"cut_legacy_{length}.pth", (HEADER + behind_header(one))[:length]
    yield "cut.onnx", onnx([])[:-8]
    yield "bomb_pickle.pth", archive(packed("x/data.pkl", b"N" * (10 << 20)), STORAGE)
    large = 8 << 20
    yield "bomb_storage.pth", zip_of(
        dictionary(("a", tensor(("ByteStorage", "0", large), shape=(1,)))),
        packed("x/data/0", bytes(large)),
    )
    # Small enough to be unfolded, each; not all of them.
    megabyte, tensors = 1 << 20, []
    for key in map(str, range(20)):
        tensors.append((key, tensor(("ByteStorage", key, megabyte), shape=(1,))))
    yield "bombs_together.pth", zip_of(
        dictionary(*tensors), *(packed(f"x/data/{key}", bytes(megabyte)) for key, _ in tensors)
    )
    for called, unit, count in (
        ("stack", b"N", 70_000),
        ("lists", b"](NNNNNeN0", 70_000),
        ("dictionaries", b"}NNs0", 70_000),
        ("memo", b"N\x94", 200_000),
        ("values", b"]0", 70_000),
    ):
        yield f"limit_of_{called}.pth", archive(packed("x/data.pkl", pickle(unit * count)), STORAGE)
    yield "says_less.pth", zip_of(one, packed("x/data/0", bytes(64), 60))
    yield "says_more.pth", zip_of(one, packed("x/data/0", bytes(64), 68))
    yield "says_gigabytes.pth", zip_of(one, packed("x/data/0", bytes(64), 0xFFFF_FFFF))
    yield "stored_with_two_sizes.pth", zip_of(one, ("x/data/0", 0, bytes(64), 32))
    yield "unknown_method.pth", zip_of(one, ("x/data/0", 99, bytes(64), 64))
    yield "not_deflated.pth", zip_of(one, ("x/data/0", 8, b"\xff" * 64, 64))
    yield "entry_twice.pth", zip_of(one, STORAGE, STORAGE)
    yield "big_endian.pth", zip_of(one, STORAGE, ("x/byteorder", b"big"))
    yield "many_entries_said.pth", archive(("x/data.pkl", one), STORAGE, count=0xFFFE)
    entries = (("x/data.pkl", one), STORAGE)
    yield "directory_behind_the_end.pth", archive(*entries, directory_at=0x7FFF_FFFF)
    yield "directory_in_the_entries.pth", archive(*entries, directory_at=3)
    locator = struct.pack("<IIQI", 0x07064B50, 0, (1 << 64) - 8, 1)
    yield "zip64_far_away.pth", sound[:-22] + locator + sound[-22:-12] + b"\xff" * 10 + b"\0\0"
    yield "no_pickle.pth", archive(STORAGE)
    yield "other.zip", archive(("readme.txt", b"hello"))
    yield "page.html", b"<!DOCTYPE html><html><body>Sign in</body></html>"
    yield "pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 4358\n"
    yield "plain.pkl", pickle(b"}")
    yield "length_of_exabytes.onnx", field(1, 8) + b"\x3a" + varint(-1)


def graphs():
    nine = struct.pack("<9f", *range(9))
    yield "weight_overflow.onnx", onnx(
        [onnx_node("Conv", ("mel", "w"), ("a",), kernel_shape=(3, 3))],
        [onnx_tensor("w", (0, MANY, MANY, MANY))],
    )
    yield "weight_too_short.onnx", onnx(
        [onnx_node("Conv", ("face", "w"), ("a",), kernel_shape=(3, 3), pads=(-1, 1 << 62, 1, 1))],
        [onnx_tensor("w", (1, 6, 3, 3), nine)],
    )
    yield "circle.onnx", onnx(
        [
            onnx_node("Identity", ("a",), ("mel",)),
            onnx_node("Identity", ("mel",), ("a",)),
            onnx_node("Conv", ("face", "w"), ("b",), strides=(0, -1)),
            onnx_node("Relu", ("b",), ("face",)),
        ],
        [onnx_tensor("w", (1, 1, 3, 3), nine)],
    )
    yield "values_elsewhere.onnx", onnx(
        [onnx_node("Conv", ("face", "w"), ("a",))], [onnx_tensor("w", (1, 6, 7, 7), b"", 1)]
    )
    yield "empty_nodes.onnx", field(7, field(1, b"") * 2_000)
    yield "interface.onnx", onnx([])


def write(target, made):
    folder = HERE / target
    folder.mkdir(exist_ok=True)
    for called, content in made:
        (folder / called).write_bytes(content)


write("file", files())
write("legacy", legacies())
write("pickle", [*objects(), *of_modules()])
write("onnx", graphs())
