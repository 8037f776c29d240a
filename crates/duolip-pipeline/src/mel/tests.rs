//! The mel spectrogram against librosa, the filterbank against its definition.

#![expect(clippy::float_cmp, reason = "what is copied or clamped is equal to the bit")]

use super::*;

fn assert_close(actual: f64, wanted: f64, tolerance: f64, what: &str) {
    assert!((actual - wanted).abs() <= tolerance, "{what}: {actual} instead of {wanted}");
}

#[test]
fn the_edges_are_on_the_slaney_scale() {
    let wanted = [
        (0, 55.0),
        (1, 90.9462),
        (2, 126.8923),
        (3, 162.8385),
        (4, 198.7846),
        (5, 234.7308),
        (79, 7056.911),
        (80, 7323.423),
        (81, 7600.0),
    ];
    for (index, hz) in wanted {
        assert_close(edge_hz(index), hz, 1e-3, "edge");
    }
}

#[test]
fn the_filterbank_has_slaney_area_normalisation() {
    let bank = &ANALYSIS.filterbank;
    assert_eq!(bank.iter().map(|filter| filter.weights.len()).sum::<usize>(), 739);
    assert!(bank.iter().all(|filter| !filter.weights.is_empty()));
    let sum: f64 = bank.iter().flat_map(|filter| &filter.weights).map(|&w| f64::from(w)).sum();
    assert_close(sum, 3.999_497_82, 1e-6, "sum of all weights");
    let rows: [(usize, usize, &[f64]); 2] = [
        (0, 3, &[0.003_869_59, 0.019_347_96, 0.020_812_45, 0.005_334_08]),
        (1, 5, &[0.007_006_94, 0.022_485_31, 0.017_675_1, 0.002_196_73]),
    ];
    for (row, first_bin, weights) in rows {
        assert_eq!(bank[row].first_bin, first_bin);
        assert_eq!(bank[row].weights.len(), weights.len());
        for (&actual, &wanted) in bank[row].weights.iter().zip(weights) {
            assert_close(f64::from(actual), wanted, 1e-7, "weight");
        }
    }
    let greatest = bank[79].weights.iter().copied().fold(0.0, f32::max);
    assert_eq!(bank[79].weights.len(), 27);
    assert_close(f64::from(greatest), 0.003_635_34, 1e-8, "greatest weight of the last row");
}

fn golden(name: &str) -> (Speech, Vec<f32>) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let read = |ending: &str| std::fs::read(folder.join(format!("{name}.{ending}"))).unwrap();
    let samples: Vec<f32> = read("pcm")
        .as_chunks::<2>()
        .0
        .iter()
        .map(|&bytes| f32::from(i16::from_le_bytes(bytes)) / 32768.0)
        .collect();
    let mel = read("f32");
    let mel = mel.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    (Speech::new(samples, SampleRate::MEL).unwrap(), mel)
}

#[test]
fn the_spectrogram_equals_librosas_within_a_thousandth() {
    for name in ["speech", "silence", "sweep", "clip_0.1s"] {
        let (speech, wanted) = golden(name);
        let mel = mel_from_speech(&speech).unwrap();
        assert_eq!(mel.values().len(), wanted.len(), "{name}");
        let error =
            mel.values().iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(error < 1e-3, "{name}: greatest difference {error}");
    }
}

#[test]
fn silence_is_minus_four_everywhere() {
    let silence = Speech::new(vec![0.0; 3200], SampleRate::MEL).unwrap();
    let mel = mel_from_speech(&silence).unwrap();
    assert_eq!(mel.steps(), 17);
    assert!(mel.values().iter().all(|&value| value == SILENCE));
}

#[test]
fn one_sample_has_a_spectrogram_and_a_whole_window() {
    let speech = Speech::new(vec![0.5], SampleRate::MEL).unwrap();
    let mel = mel_from_speech(&speech).unwrap();
    let mut window = Vec::new();
    mel.append_window(0, FrameRate::DEFAULT, &mut window);
    assert_eq!(window.len(), WINDOW_VALUES);
    assert_eq!(window[WINDOW_VALUES - 1], SILENCE);
}

#[test]
fn windows_start_where_wav2lips_do() {
    let starts: Vec<_> = (0..6).map(|frame| window_start(frame, FrameRate::DEFAULT)).collect();
    assert_eq!(starts, [0, 3, 6, 9, 12, 16]);
}

#[test]
fn a_window_is_sixteen_columns_of_the_spectrogram() {
    let (speech, _) = golden("speech");
    let mel = mel_from_speech(&speech).unwrap();
    let mut window = Vec::new();
    mel.append_window(10, FrameRate::DEFAULT, &mut window);
    for band in 0..BANDS {
        for column in 0..WINDOW_STEPS {
            let wanted = mel.values()[band * mel.steps() + 32 + column];
            assert_eq!(window[band * WINDOW_STEPS + column], wanted);
        }
    }
}

#[test]
fn another_rate_is_refused() {
    let speech = Speech::new(vec![0.0; 10], SampleRate::new(8_000).unwrap()).unwrap();
    assert_eq!(mel_from_speech(&speech), Err(MelError::WrongRate(8_000)));
}

#[test]
fn reflection_does_not_repeat_the_end_sample() {
    let shown: Vec<_> = (-4..8).map(|index| reflected(index, 3)).collect();
    assert_eq!(shown, [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1]);
}
