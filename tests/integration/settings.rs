//! The table of settings in docs/operations.md is made from the code.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, ArgAction, Args, Command};
use duolip_service::config::{BatchArgs, Config, LambdaArgs, RunpodArgs, ServerArgs};

use crate::server::root;

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

/// One table for each group of settings. What two programs share stands in the first group.
fn table() -> String {
    let group = |heading: &'static str, group: Command| {
        let settings = group.get_arguments().filter(|setting| setting.get_env().is_some());
        let heading = |setting: &Arg| setting.get_help_heading().unwrap_or(heading).to_owned();
        settings.map(|setting| (heading(setting), setting.clone())).collect::<Vec<_>>()
    };
    let settings = [
        group("Server", ServerArgs::augment_args(Command::new("server"))),
        group("AWS Lambda", LambdaArgs::augment_args(Command::new("lambda"))),
        group("RunPod", RunpodArgs::augment_args(Command::new("runpod"))),
        group("Batch", BatchArgs::augment_args(Command::new("batch"))),
        group("", Config::augment_args(Command::new("all"))),
    ];
    let (mut table, mut last, mut seen) = (String::new(), String::new(), BTreeSet::new());
    for (heading, setting) in settings.into_iter().flatten() {
        if !seen.insert(setting.get_env().unwrap().to_owned()) {
            continue;
        }
        if heading != last {
            write!(table, "\n### {heading}\n\n| variable | | default |\n|---|---|---|\n").unwrap();
            last = heading;
        }
        writeln!(table, "{}", row(&setting)).unwrap();
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
