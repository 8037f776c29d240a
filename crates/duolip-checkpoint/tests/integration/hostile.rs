//! Files made to do harm: no panic, no hang, and each refused for what it does.

use crate::support::{
    Pickle, Random, Zip, deflate, every_file, fixtures, legacy, one_tensor, read_bytes, refusal,
    state_of,
};

const FLOATS: (&str, &str, i64) = ("FloatStorage", "0", 4);
const BYTES: [u8; 16] = [0; 16];

fn refused(object: &[u8], cause: &str) {
    let message = refusal(&legacy(object, &[("0", 4, &BYTES)]));
    assert!(message.contains(cause), "{message}");
    let archive = Zip::default().stored("x/data.pkl", object).stored("x/data/0", &BYTES).finish();
    let message = refusal(&archive);
    assert!(message.contains(cause), "{message}");
}

#[test]
fn the_files_these_tests_spoil_are_sound() {
    let object = one_tensor(FLOATS, 0, &[4], &[1]);
    assert_eq!(state_of(&legacy(&object, &[("0", 4, &BYTES)])).len(), 1);
    let archive = Zip::default().stored("x/data.pkl", &object).stored("x/data/0", &BYTES);
    assert_eq!(state_of(&archive.finish()).len(), 1);
}

#[test]
fn every_file_cut_at_many_lengths_is_refused() {
    let mut random = Random(1);
    for (name, whole) in every_file() {
        let mut lengths: Vec<usize> = (0..whole.len().min(64)).collect();
        lengths.extend((0..60).map(|_| random.below(whole.len())));
        for length in lengths {
            assert!(read_bytes(&whole[..length]).is_err(), "{name} cut to {length} bytes");
        }
    }
}

#[test]
fn flipped_bits_never_panic_nor_hang() {
    let mut random = Random(2);
    for (_, whole) in every_file() {
        for _ in 0..60 {
            let mut file = whole.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(file.len());
                file[at] ^= 1 << random.below(8);
            }
            // Some flips change a weight and no more; most are refused.
            let _ = read_bytes(&file);
        }
    }
}

#[test]
fn flipped_bits_in_the_pickle_and_the_directory_never_panic_nor_hang() {
    let mut random = Random(3);
    for (_, whole) in every_file() {
        for _ in 0..60 {
            let mut file = whole.clone();
            let span = file.len().min(4096);
            let at = random.below(span);
            let at = if random.below(2) == 0 { at } else { file.len() - 1 - at };
            file[at] = random.below(256) as u8;
            let _ = read_bytes(&file);
        }
    }
}

#[test]
fn a_call_of_a_foreign_function_is_refused_by_its_name() {
    let object = Pickle::new().global("posix", "system").text("id").raw(b"\x85R").stop();
    refused(&object, "the Python class posix.system");
    let stacked = Pickle::new().text("builtins").text("eval").raw(b"\x93").stop();
    refused(&stacked, "the Python class builtins.eval");
    let module = Pickle::new().global("__torch__", "Net").raw(b")\x81").stop();
    refused(&module, "the Python class __torch__.Net");
    let loader = Pickle::new().global("torch.storage", "_load_from_bytes").stop();
    refused(&loader, "torch.storage._load_from_bytes");
}

#[test]
fn instructions_that_make_objects_the_old_way_are_refused() {
    for code in [b'i', b'o', b'P', 0x82, 0x92, 0x97, 0xFF] {
        refused(&Pickle::new().raw(&[b'(', code]).stop(), "the instruction 0x");
    }
}

#[test]
fn a_tensor_outside_its_storage_is_refused() {
    for (offset, shape, strides) in [
        (0, &[5][..], &[1][..]),
        (4, &[1], &[1]),
        (0, &[2], &[4]),
        (-1, &[1], &[1]),
        (3, &[4], &[-1]),
        (0, &[-4], &[1]),
        (0, &[i64::MAX, i64::MAX], &[0, 0]),
        (0, &[1 << 40, 1 << 40], &[1 << 40, 1]),
        (0, &[2], &[i64::MAX]),
        (i64::MAX, &[1], &[1]),
    ] {
        refused(&one_tensor(FLOATS, offset, shape, strides), "does not lie inside its storage");
    }
    refused(&one_tensor(FLOATS, 0, &[1; 9], &[1; 9]), "does not lie inside its storage");
    refused(&one_tensor(FLOATS, 0, &[4], &[]), "not as many strides as axes");
}

#[test]
fn a_tensor_of_no_elements_is_empty_whatever_its_other_axes_say() {
    for (shape, strides) in [
        (&[0, 1 << 40, 1 << 40][..], &[0, 1 << 40, 1][..]),
        (&[0, i64::MAX, i64::MAX], &[1, 1, 1]),
        (&[0], &[i64::MAX]),
    ] {
        let object = one_tensor(FLOATS, 4, shape, strides);
        let archive = Zip::default().stored("x/data.pkl", &object).stored("x/data/0", &BYTES);
        for file in [legacy(&object, &[("0", 4, &BYTES)]), archive.finish()] {
            let state = state_of(&file);
            let tensor = state.get("a").unwrap();
            let lengths: Vec<usize> = shape.iter().map(|length| *length as usize).collect();
            assert_eq!((&tensor.shape, tensor.values.len()), (&lengths, 0));
        }
    }
}

#[test]
fn a_shape_that_unfolds_one_number_to_terabytes_is_refused() {
    refused(
        &one_tensor(FLOATS, 0, &[1 << 40], &[0]),
        "its storages and tensors would take 4398046511104 bytes",
    );
}

#[test]
fn many_tensors_that_unfold_one_storage_are_refused_together() {
    let mut object = Pickle::new().raw(b"}(");
    for index in 0..100 {
        object = object.text(&format!("a{index}")).tensor(FLOATS, 0, &[100_000], &[0]);
    }
    refused(&object.raw(b"u").stop(), "its storages and tensors would take 40000000 bytes");
}

#[test]
fn a_storage_of_another_size_than_said_is_refused() {
    let object = one_tensor(("FloatStorage", "0", 5), 0, &[4], &[1]);
    refused(&object, "storage \"0\" has 16 bytes, its tensors say 20");
    let object = one_tensor(("FloatStorage", "0", 1 << 20), 0, &[4], &[1]);
    refused(&object, "storage \"0\" has 16 bytes, its tensors say 4194304");
    let object = one_tensor(("FloatStorage", "0", i64::MAX / 4), 0, &[4], &[1]);
    refused(&object, "damaged");
    let object = one_tensor(("FloatStorage", "0", -4), 0, &[4], &[1]);
    refused(&object, "names a storage in an unknown way");
}

#[test]
fn a_storage_that_is_missing_strange_or_there_twice_is_refused() {
    let object = one_tensor(FLOATS, 0, &[4], &[1]);
    assert!(refusal(&legacy(&object, &[])).contains("storage \"0\" is missing"));
    let strange = legacy(&object, &[("0", 4, &BYTES), ("1", 4, &BYTES)]);
    assert!(refusal(&strange).contains("storage \"1\" belongs to no tensor"));
    let twice = legacy(&object, &[("0", 4, &BYTES), ("0", 4, &BYTES)]);
    assert!(refusal(&twice).contains("storage \"0\" is there twice"));
    let archive = Zip::default().stored("x/data.pkl", &object).finish();
    assert!(refusal(&archive).contains("storage \"0\" is missing"));
}

#[test]
fn a_storage_named_with_two_types_is_refused() {
    let object = Pickle::new()
        .raw(b"}(")
        .text("a")
        .tensor(FLOATS, 0, &[1], &[1])
        .text("b")
        .tensor(("LongStorage", "0", 4), 0, &[1], &[1])
        .raw(b"u")
        .stop();
    refused(&object, "names a storage a second time");
}

#[test]
fn values_that_hold_themselves_end_in_a_refusal() {
    // A list in itself, a dictionary in itself under "state_dict".
    let list = Pickle::new().raw(b"]q\x00h\x00a").stop();
    refused(&list, "without a single named tensor");
    let dictionary = Pickle::new().raw(b"}q\x00").text("state_dict").raw(b"h\x00s").stop();
    refused(&dictionary, "without a single named tensor");
}

fn torchscript(object: &[u8]) -> Vec<u8> {
    Zip::default().stored("x/constants.pkl", b"").stored("x/data.pkl", object).finish()
}

#[test]
fn a_module_that_holds_itself_is_refused() {
    let module = Pickle::new().global("__torch__", "Net").raw(b")\x81q\x00}").text("child");
    let message = refusal(&torchscript(&module.raw(b"h\x00sb").stop()));
    assert!(message.ends_with("modules are nested deeper than 32"), "{message}");
}

#[test]
fn modules_reached_by_two_to_the_thirtieth_paths_are_refused() {
    let mut object = Pickle::new().global("__torch__", "Net").raw(b"q\x00)\x81q\x01");
    for _ in 0..30 {
        // A new module both of whose attributes are the last one.
        object = object.raw(b"h\x00)\x81}(").text("a").raw(b"h\x01").text("b").raw(b"h\x01ubq\x01");
    }
    let message = refusal(&torchscript(&object.stop()));
    assert!(message.contains("attributes of modules"), "{message}");
}

#[test]
fn deep_nesting_costs_nothing_and_is_refused_for_holding_no_tensors() {
    // Each pair of instructions wraps the value once more.
    let deep = Pickle::new().raw(b")").raw(&vec![0x85; 50_000]).stop();
    refused(&deep, "without a single named tensor");
}

#[test]
fn the_machine_s_limits_hold() {
    refused(&Pickle::new().raw(&vec![b'N'; 70_000]).stop(), "65536 values on the pickle's stack");
    refused(&Pickle::new().raw(&vec![b'('; 2_000]).stop(), "1024 open brackets");
    refused(&Pickle::new().raw(&b"]0".repeat(70_000)).stop(), "65536 values in the pickle");
    refused(&Pickle::new().raw(b"Nr\xFF\xFF\xFF\xFF").stop(), "131072 remembered values");
    let fill = [b"(".as_slice(), &vec![b'N'; 60_000], b"e"].concat().repeat(5);
    refused(&Pickle::new().raw(b"]").raw(&fill).stop(), "262144 members of lists");
}

#[test]
fn lengths_beyond_the_end_are_refused_before_they_are_allocated() {
    for code in [
        &b"X\xFF\xFF\xFF\xFF"[..],
        b"\x8D\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
        b"\x8B\xFF\xFF\xFF\x7F",
    ] {
        let archive = Zip::default().stored("data.pkl", &Pickle::new().raw(code).stop()).finish();
        assert!(refusal(&archive).contains("bytes are wanted at byte"), "{code:?}");
    }
}

#[test]
fn stack_instructions_without_their_values_are_refused() {
    for code in ["t", "e", "u", "d", "l", "1", "\u{10}", "a", "s", "R", "b", "Q", "0", "2", "."] {
        let archive = Zip::default().stored("data.pkl", code.as_bytes()).finish();
        assert!(read_bytes(&archive).is_err(), "{code}");
    }
}

#[test]
fn an_entry_that_unfolds_a_thousandfold_is_refused() {
    let object = one_tensor(("ByteStorage", "0", 50 << 20), 0, &[1], &[1]);
    let bomb = Zip::default()
        .stored("x/data.pkl", &object)
        .deflated("x/data/0", &vec![0; 50 << 20])
        .finish();
    assert!(bomb.len() < 500_000);
    assert!(refusal(&bomb).contains("its storages and tensors would take 52428800 bytes"));
    let bomb = Zip::default().deflated("x/data.pkl", &vec![b'N'; 10 << 20]).finish();
    assert!(refusal(&bomb).contains(r#""x/data.pkl" unfolds to too many times its size"#));
}

#[test]
fn an_entry_that_lies_about_its_size_is_refused() {
    let object = one_tensor(FLOATS, 0, &[4], &[1]);
    let sound = Zip::default().stored("x/data.pkl", &object);
    let two_sizes = sound.entry("x/data/0", 0, &BYTES[..8], 16).finish();
    assert!(refusal(&two_sizes).contains("is stored with two sizes"));
    // Deflated: a stored block of 16 zeros.
    let packed = [&[1, 16, 0, 0xEF, 0xFF][..], &BYTES].concat();
    for (says, cause) in [(12, "unfolds to more than it says"), (20, "cannot be unfolded")] {
        let object = one_tensor(("FloatStorage", "0", says / 4), 0, &[3], &[1]);
        let archive = Zip::default().stored("x/data.pkl", &object);
        let archive = archive.entry("x/data/0", 8, &packed, says as u32).finish();
        assert!(refusal(&archive).contains(cause), "{}", refusal(&archive));
    }
}

#[test]
fn many_small_bombs_are_refused_together() {
    // 200 storages of a megabyte, each packed to a kilobyte, each with one number wanted of it.
    let megabyte = deflate(&vec![0; 1 << 20]);
    let mut object = Pickle::new().raw(b"}(");
    let mut archive = Zip::default();
    for index in 0..200 {
        let key = index.to_string();
        object = object.text(&key).tensor(("ByteStorage", &key, 1 << 20), 0, &[1], &[1]);
        archive = archive.entry(&format!("x/data/{key}"), 8, &megabyte, 1 << 20);
    }
    let archive = archive.stored("x/data.pkl", &object.raw(b"u").stop()).finish();
    assert!(refusal(&archive).contains("and a file of its size may give"));
}

#[test]
fn two_entries_of_one_name_are_refused() {
    let archive = Zip::default().stored("x/data.pkl", b"N.").stored("x/data.pkl", b"N.").finish();
    assert!(refusal(&archive).contains(r#"the entry "x/data.pkl" is there twice"#));
}

#[test]
fn a_flipped_weight_is_found_by_its_checksum() {
    let mut file = std::fs::read(fixtures().join("zip_checkpoint.pth")).unwrap();
    let name = b"zip_checkpoint/data/0";
    let name_at = file.windows(name.len()).position(|bytes| bytes == name).unwrap();
    let extra = usize::from(u16::from_le_bytes([file[name_at - 2], file[name_at - 1]]));
    file[name_at + name.len() + extra] ^= 1;
    let message = refusal(&file);
    assert!(message.ends_with(r#""zip_checkpoint/data/0" has the wrong checksum"#), "{message}");
}
