//! The table of settings in docs/operations.md is made from the code.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, ArgAction, CommandFactory, Parser};
use duolip_service::config::{BatchArgs, Config, LambdaArgs, ServerArgs};

use crate::server::root;

/// Every setting of every program.
#[derive(Parser)]
struct Settings {
    #[command(flatten, next_help_heading = "Server")]
    server: ServerArgs,
    #[command(flatten, next_help_heading = "AWS Lambda")]
    lambda: LambdaArgs,
    #[command(flatten, next_help_heading = "Batch")]
    batch: BatchArgs,
    #[command(flatten)]
    config: Config,
}

const BEGIN: &str = "<!-- settings: made from the code, see tests/integration/settings.rs -->\n";
const END: &str = "<!-- end of settings -->\n";

#[test]
fn the_table_of_settings_is_the_codes() {
    let page = root().join("docs/operations.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("docs/operations.md has no table");
    let (_, after) = rest.split_once(END).expect("the table has no end");
    let wanted = format!("{before}{BEGIN}{}{END}{after}", table());
    if text != wanted {
        let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("operations.md");
        std::fs::write(&made, wanted).unwrap();
        panic!("the settings have changed: cp {} {}", made.display(), page.display());
    }
}

/// One table for each group of settings.
fn table() -> String {
    let command = Settings::command();
    let mut table = String::new();
    let mut heading = None;
    for setting in command.get_arguments().filter(|setting| setting.get_env().is_some()) {
        if setting.get_help_heading() != heading {
            heading = setting.get_help_heading();
            let heading = heading.unwrap_or("Settings");
            write!(table, "\n### {heading}\n\n| variable | | default |\n|---|---|---|\n").unwrap();
        }
        writeln!(table, "{}", row(setting)).unwrap();
    }
    table.push('\n');
    table
}

fn row(setting: &Arg) -> String {
    let variable = setting.get_env().unwrap().to_str().unwrap();
    let help = setting.get_help().unwrap().to_string().replace('|', "\\|");
    // A default that is worked out stands in the help, in brackets.
    let (help, worked_out) = match help.split_once(" [default: ") {
        Some((help, default)) => (help.to_owned(), default.strip_suffix(']').map(str::to_owned)),
        None => (help, None),
    };
    let given = setting.get_default_values().iter().map(|value| value.to_string_lossy());
    let given = given.collect::<Vec<_>>().join(", ");
    let default = match (setting.get_action(), worked_out) {
        (ArgAction::SetTrue, _) => "false".to_owned(),
        (_, Some(default)) => default,
        (_, None) => given,
    };
    format!("| `{variable}` | {help} | {default} |")
}
