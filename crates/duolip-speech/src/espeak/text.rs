//! Text → text that the engine can only read aloud.
//!
//! The engine takes orders inside its text: phonemes in `[[…]]`, commands after control
//! characters, such as U+0001 `300S` for another speaking rate, and its own marks among the
//! private-use characters. A request's text gives no orders. SSML is off unless the engine is
//! told otherwise.

/// `text` without the engine's own markup; every word stays.
pub(super) fn without_markup(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            // Two brackets that do not touch are read as brackets.
            '[' if plain.ends_with('[') => plain.push_str(" ["),
            '\n' | '\t' => plain.push(character),
            '\u{e000}'..='\u{f8ff}' => plain.push(' '),
            _ if character.is_control() => plain.push(' '),
            _ => plain.push(character),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_opening_brackets_touch() {
        assert_eq!(without_markup("[[[x]]] [y]"), "[ [ [x]]] [y]");
    }

    #[test]
    fn a_control_character_between_brackets_does_not_join_them() {
        assert_eq!(without_markup("[\0[x"), "[ [x");
    }

    #[test]
    fn commands_lose_their_mark_and_text_keeps_its_lines() {
        assert_eq!(without_markup("a\u{1}300S\u{e041}\r\n\tб <&> -😀"), "a 300S  \n\tб <&> -😀");
    }
}
