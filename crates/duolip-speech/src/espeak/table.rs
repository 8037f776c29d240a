//! The table that `espeak-ng --voices` prints, row by row.
//!
//! Languages and voices (the engine calls them voices and variants) come in the same shape. What
//! the rows mean is not known here.

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row<'a> {
    /// How much the engine prefers it for its language; less is more.
    pub(super) priority: u8,
    /// Its language, or `variant`.
    pub(super) language: &'a str,
    /// Its name, `_` for spaces.
    pub(super) name: &'a str,
    /// Its file in the engine's data, which `-v` takes; may hold spaces.
    pub(super) file: &'a str,
    /// Other languages it serves, with its priority in them.
    pub(super) others: Vec<(&'a str, u8)>,
}

/// The rows of `table`; its head, and any line that is none, are left out.
pub(super) fn rows(table: &str) -> impl Iterator<Item = Row<'_>> {
    table.lines().filter_map(row)
}

/// Reads `Pty Language Age/Gender VoiceName File (other priority)(other priority)`.
fn row(line: &str) -> Option<Row<'_>> {
    let (priority, rest) = word(line)?;
    let (language, rest) = word(rest)?;
    let (_age_and_gender, rest) = word(rest)?;
    let (name, rest) = word(rest)?;
    let (file, others) = rest.split_once('(').unwrap_or((rest, ""));
    let file = file.trim();
    let others = others
        .split(['(', ')'])
        .filter_map(|other| other.trim().rsplit_once(' '))
        .filter_map(|(language, priority)| Some((language, priority.parse().ok()?)))
        .collect();
    (!file.is_empty()).then_some(Row {
        priority: priority.parse().ok()?,
        language,
        name,
        file,
        others,
    })
}

/// The first word of `line` and what follows it.
fn word(line: &str) -> Option<(&str, &str)> {
    line.trim_start().split_once(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_languages_are_read_with_their_priorities() {
        let line =
            " 5  en-gb-x-rp      --/M      English_(RP) gmw/en-GB-x-rp       (en-gb 4)(en 5)";
        let row = rows(line).next().unwrap();
        assert_eq!((row.priority, row.language, row.name), (5, "en-gb-x-rp", "English_(RP)"));
        assert_eq!(row.file, "gmw/en-GB-x-rp");
        assert_eq!(row.others, [("en-gb", 4), ("en", 5)]);
    }

    #[test]
    fn a_file_name_may_hold_a_space() {
        let line = " 5  variant         --/M      Mr_Serious         !v/Mr serious        ";
        assert_eq!(rows(line).next().unwrap().file, "!v/Mr serious");
    }

    #[test]
    fn the_head_and_broken_lines_are_left_out() {
        let table =
            "Pty Language       Age/Gender VoiceName          File                 Other\n\n 5\n";
        assert_eq!(rows(table).count(), 0);
    }
}
