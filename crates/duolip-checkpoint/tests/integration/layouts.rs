//! What one writer or another does differently: views, older and newer records, missing checksums.

use proptest::prelude::*;

use crate::support::{Pickle, Zip, legacy, one_tensor, refusal, state_of};

const BYTES: [u8; 6] = [10, 11, 12, 13, 14, 15];
const STORAGE: (&str, &str, i64) = ("ByteStorage", "0", 6);

fn values(offset: i64, shape: &[i64], strides: &[i64]) -> Vec<f32> {
    let file = legacy(&one_tensor(STORAGE, offset, shape, strides), &[("0", 6, &BYTES)]);
    state_of(&file).get("a").unwrap().values.clone()
}

#[test]
fn views_are_laid_out_row_by_row() {
    assert_eq!(values(0, &[2, 3], &[3, 1]), [10.0, 11.0, 12.0, 13.0, 14.0, 15.0]);
    assert_eq!(values(0, &[3, 2], &[1, 3]), [10.0, 13.0, 11.0, 14.0, 12.0, 15.0]);
    assert_eq!(values(1, &[2], &[4]), [11.0, 15.0]);
    assert_eq!(values(5, &[2, 2], &[0, 0]), [15.0; 4]);
    assert_eq!(values(2, &[], &[]), [12.0]);
    assert_eq!(values(0, &[1, 2, 1], &[77, 2, 99]), [10.0, 12.0]);
    assert_eq!(values(9, &[0], &[1]), [0.0; 0]);
}

#[test]
fn a_storage_that_views_another_begins_where_it_says() {
    let object = Pickle::new()
        .raw(b"}")
        .text("a")
        .global("torch._utils", "_rebuild_tensor")
        .raw(b"((")
        .text("storage")
        .global("torch", "ByteStorage")
        .text("0")
        .text("cpu")
        .int(6)
        .raw(b"(")
        .text("view")
        .int(2)
        .int(3)
        .raw(b"ttQ")
        .int(1)
        .ints(&[2])
        .ints(&[1])
        .raw(b"tRs")
        .stop();
    let state = state_of(&legacy(&object, &[("0", 6, &BYTES)]));
    assert_eq!(state.get("a").unwrap().values, [13.0, 14.0]);
}

#[test]
fn an_untyped_storage_takes_the_element_type_beside_it() {
    let object = Pickle::new()
        .raw(b"}")
        .text("a")
        .global("torch._utils", "_rebuild_tensor_v3")
        .raw(b"((")
        .text("storage")
        .global("torch.storage", "UntypedStorage")
        .text("0")
        .text("cpu")
        .int(8)
        .raw(b"tQ")
        .int(1)
        .ints(&[2])
        .ints(&[1])
        .raw(b"\x89)")
        .global("torch", "int16")
        .raw(b"tRs")
        .stop();
    let bytes: Vec<u8> = [7i16, -8, 9, 10].iter().flat_map(|n| n.to_le_bytes()).collect();
    let file = Zip::default().stored("x/data.pkl", &object).stored("x/data/0", &bytes).finish();
    assert_eq!(state_of(&file).get("a").unwrap().values, [-8.0, 9.0]);
}

#[test]
fn an_archive_without_folder_or_checksums_is_read() {
    let object = one_tensor(STORAGE, 0, &[6], &[1]);
    let file = Zip::default().stored("data.pkl", &object).deflated("data/0", &BYTES).finish();
    assert_eq!(state_of(&file).len(), 1);
}

#[test]
fn module_prefixes_go_wherever_they_stand() {
    let tensor = |pickle: Pickle, name: &str| pickle.text(name).tensor(STORAGE, 0, &[6], &[1]);
    let object = tensor(tensor(Pickle::new().raw(b"}("), "module.a.b"), "c.module.module.d");
    let state = state_of(&legacy(&object.raw(b"u").stop(), &[("0", 6, &BYTES)]));
    assert_eq!(state.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a.b", "c.d"]);
}

#[test]
fn names_that_meet_without_their_prefix_are_refused() {
    let tensor = |pickle: Pickle, name: &str| pickle.text(name).tensor(STORAGE, 0, &[6], &[1]);
    let object = tensor(tensor(Pickle::new().raw(b"}("), "module.a"), "a").raw(b"u").stop();
    let message = refusal(&legacy(&object, &[("0", 6, &BYTES)]));
    assert!(message.ends_with(r#"two tensors are called "a""#), "{message}");
}

#[test]
fn plain_data_beside_the_weights_is_skipped() {
    let object = Pickle::new()
        .raw(b"}(")
        .text("loss")
        .global("numpy.core.multiarray", "scalar")
        .global("numpy", "dtype")
        .raw(b"(")
        .text("f8")
        .raw(b"\x89\x88tR")
        .global("_codecs", "encode")
        .text("abcdefgh")
        .text("latin1")
        .raw(b"\x86R\x86R")
        .text("best")
        .raw(b"G\0\0\0\0\0\0\0\0")
        .text("state_dict")
        .raw(b"}")
        .text("a")
        .tensor(STORAGE, 0, &[6], &[1])
        .raw(b"su")
        .stop();
    assert_eq!(state_of(&legacy(&object, &[("0", 6, &BYTES)])).len(), 1);
}

proptest! {
    #[test]
    fn any_view_gives_the_numbers_its_strides_point_at(
        axes in prop::collection::vec((0..4i64, 0..5i64), 0..5),
        offset in 0..4i64,
    ) {
        let (shape, strides): (Vec<i64>, Vec<i64>) = axes.iter().copied().unzip();
        // Where the indices of all axes lead, innermost last.
        let mut expected = vec![offset];
        for (length, stride) in &axes {
            expected = expected
                .iter()
                .flat_map(|start| (0..*length).map(move |index| start + index * stride))
                .collect();
        }
        let bytes: Vec<u8> = (0..64).collect();
        let object = one_tensor(("ByteStorage", "0", 64), offset, &shape, &strides);
        let state = state_of(&legacy(&object, &[("0", 64, &bytes)]));
        let tensor = state.get("a").unwrap();
        prop_assert_eq!(&tensor.shape, &shape.iter().map(|n| *n as usize).collect::<Vec<_>>());
        let expected: Vec<f32> = expected.iter().map(|index| f32::from(*index as i16)).collect();
        prop_assert_eq!(&tensor.values, &expected);
    }
}
