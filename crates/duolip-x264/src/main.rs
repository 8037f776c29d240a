//! A program around x264: pictures on stdin, H.264 on stdout.
//!
//! ```text
//! duolip-x264 WIDTHxHEIGHT PAINTED PRESET [NAME=VALUE]...
//! duolip-x264 --version
//! ```
//!
//! Stdin: a whole picture in yuv420p, then for each picture of the video what is painted over it in the
//! rectangle PAINTED, `WIDTHxHEIGHT+LEFT+TOP`, in yuv420p as well; all numbers even. Stdout: a byte
//! stream of H.264, each picture when it is finished. PRESET is one of x264's; the parameters are named
//! as in x264's own program. Whatever fails is told on stderr, and the exit status is 1.
//!
//! A program and no library, so that a crash ends one segment alone, and x264's licence, the GPL, ends
//! at the pipe.

mod encoder;

use std::error::Error;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use encoder::Encoder;

const USAGE: &str = "duolip-x264 WIDTHxHEIGHT WIDTHxHEIGHT+LEFT+TOP PRESET [NAME=VALUE]...";

/// A rectangle of a picture in pixels, all even.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rectangle {
    width: usize,
    height: usize,
    left: usize,
    top: usize,
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    size: (usize, usize),
    painted: Rectangle,
    preset: String,
    parameters: Vec<(String, String)>,
}

impl Request {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let [width, height] = numbers(&arguments.next()?, ['x'])?;
        let [columns, rows, left, top] = numbers(&arguments.next()?, ['x', '+', '+'])?;
        let painted = Rectangle { width: columns, height: rows, left, top };
        let preset = arguments.next()?;
        let parameter = |text: String| {
            text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        let parameters = arguments.map(parameter).collect::<Option<_>>()?;
        let is_inside = left.checked_add(columns)? <= width && top.checked_add(rows)? <= height;
        let is_any = columns > 0 && rows > 0;
        (is_inside && is_any).then_some(Self { size: (width, height), painted, preset, parameters })
    }
}

/// Even numbers with these signs between them.
fn numbers<const SIGNS: usize, const NUMBERS: usize>(
    text: &str,
    signs: [char; SIGNS],
) -> Option<[usize; NUMBERS]> {
    let mut rest = text;
    let mut found = Vec::with_capacity(NUMBERS);
    for sign in signs {
        let (number, behind) = rest.split_once(sign)?;
        found.push(number);
        rest = behind;
    }
    found.push(rest);
    let even = |number: &str| number.parse().ok().filter(|number: &usize| number.is_multiple_of(2));
    let numbers: Vec<_> = found.into_iter().map(even).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    let (mut stdin, mut stdout) = (io::stdin().lock(), io::stdout().lock());
    let done = if arguments.next_if_eq("--version").is_some() {
        let (own, of_x264) = (env!("CARGO_PKG_VERSION"), encoder::version());
        writeln!(stdout, "duolip-x264 {own}, x264 {of_x264}").map_err(Into::into)
    } else {
        Request::parse(arguments)
            .ok_or_else(|| USAGE.into())
            .and_then(|request| encode(&request, &mut stdin, &mut stdout))
    };
    if let Err(error) = done {
        eprintln!("duolip-x264: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Codes all of `pictures`.
fn encode(
    request: &Request,
    pictures: &mut impl Read,
    coded: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let (width, height) = request.size;
    let mut encoder =
        Encoder::open(request.size, request.painted, &request.preset, &request.parameters)?;
    let whole = Rectangle { width, height, left: 0, top: 0 };
    let mut picture = vec![0; width * height * 3 / 2];
    pictures.read_exact(&mut picture).map_err(|error| format!("no whole picture: {error}"))?;
    paint(&mut encoder, whole, &picture);
    picture.truncate(request.painted.width * request.painted.height * 3 / 2);
    while read_or_end(pictures, &mut picture)? {
        paint(&mut encoder, request.painted, &picture);
        coded.write_all(encoder.encode()?)?;
        coded.flush()?;
    }
    while let Some(picture) = encoder.flush()? {
        coded.write_all(picture)?;
    }
    Ok(coded.flush()?)
}

/// Fills `part`; `false` at the end of the input.
fn read_or_end(from: &mut impl Read, part: &mut [u8]) -> io::Result<bool> {
    match from.read(part)? {
        0 => Ok(false),
        read => from.read_exact(&mut part[read..]).map(|()| true),
    }
}

/// Writes the three planes of `part` over the encoder's picture.
fn paint(encoder: &mut Encoder, place: Rectangle, part: &[u8]) {
    let (luma, chroma) = part.split_at(place.width * place.height);
    let (blue, red) = chroma.split_at(chroma.len() / 2);
    for (plane, values) in [luma, blue, red].into_iter().enumerate() {
        let reduction = if plane == 0 { 1 } else { 2 };
        let (left, width) = (place.left / reduction, place.width / reduction);
        let (bytes, stride) = encoder.plane(plane);
        let rows = bytes.chunks_mut(stride).skip(place.top / reduction);
        for (row, values) in rows.zip(values.chunks_exact(width)) {
            row[left..left + width].copy_from_slice(values);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::Refused;

    fn request(arguments: &str) -> Option<Request> {
        Request::parse(arguments.split(' ').map(str::to_owned))
    }

    #[test]
    fn a_request_names_sizes_preset_and_parameters() {
        let wanted = Request {
            size: (64, 48),
            painted: Rectangle { width: 16, height: 8, left: 4, top: 40 },
            preset: "superfast".to_owned(),
            parameters: vec![
                ("crf".to_owned(), "16".to_owned()),
                ("a".to_owned(), "b=c".to_owned()),
            ],
        };
        assert_eq!(request("64x48 16x8+4+40 superfast crf=16 a=b=c"), Some(wanted));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for arguments in [
            "64x48 16x8+4+40",
            "64 16x8+4+40 superfast",
            "63x48 16x8+4+40 superfast",
            "64x48 16x8+4 superfast",
            "64x48 16x8+50+40 superfast",
            "64x48 16x10+4+40 superfast",
            "64x48 0x8+4+40 superfast",
            "64x48 16x8+18446744073709551614+4 superfast",
            "64x48 16x8+4+40 superfast crf",
        ] {
            assert_eq!(request(arguments), None, "{arguments}");
        }
    }

    /// The byte stream of `pictures`, each a value of brightness, painted over a picture of 16.
    fn coded(arguments: &str, pictures: &[u8]) -> Result<Vec<u8>, String> {
        let request = request(arguments).unwrap();
        let (width, height) = request.size;
        let mut given = vec![16; width * height * 3 / 2];
        let painted = request.painted.width * request.painted.height * 3 / 2;
        given.extend(pictures.iter().flat_map(|&value| vec![value; painted]));
        let mut coded = Vec::new();
        let done = encode(&request, &mut &given[..], &mut coded);
        done.map(|()| coded).map_err(|error| error.to_string())
    }

    fn slices(coded: &[u8]) -> usize {
        coded
            .windows(4)
            .filter(|bytes| bytes[..3] == [0, 0, 1] && matches!(bytes[3] & 31, 1 | 5))
            .count()
    }

    #[test]
    fn every_picture_comes_back_also_from_an_encoder_that_looks_ahead() {
        for preset in ["superfast threads=1", "medium threads=2 rc-lookahead=20"] {
            let coded = coded(&format!("64x48 16x8+4+40 {preset}"), &[20, 90, 30, 200]).unwrap();
            assert_eq!(slices(&coded), 4, "{preset}");
        }
        assert_eq!(slices(&coded("64x48 64x48+0+0 superfast", &[]).unwrap()), 0);
    }

    #[test]
    fn what_x264_does_not_take_is_named() {
        for (arguments, wanted) in [
            ("leisurely", Refused::Preset("leisurely".to_owned())),
            ("superfast haste=1", Refused::Name("haste".to_owned())),
            ("superfast crf=low", Refused::Value("crf".to_owned(), "low".to_owned())),
        ] {
            let refused = coded(&format!("64x48 16x8+4+40 {arguments}"), &[]).unwrap_err();
            assert_eq!(refused, wanted.to_string());
        }
        let too_wide = coded("20000x16 16x8+4+4 superfast", &[]).unwrap_err();
        assert_eq!(too_wide, Refused::Settings.to_string());
    }

    #[test]
    fn a_picture_that_breaks_off_is_told() {
        let request = request("64x48 16x8+4+40 superfast").unwrap();
        let given = vec![16; 64 * 48 * 3 / 2 + 7];
        let error = encode(&request, &mut &given[..], &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "failed to fill whole buffer");
        let error = encode(&request, &mut &given[..9], &mut Vec::new()).unwrap_err();
        assert!(error.to_string().starts_with("no whole picture"), "{error}");
    }
}
