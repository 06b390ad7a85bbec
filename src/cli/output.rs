//! What commands print: answers on standard output, failures on standard error.

use std::{error::Error, io::Write, process::ExitCode};

/// Prints a line. A closed pipe (`gigsy openapi | head`) is no failure.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints a failure with its causes.
pub(super) fn fail(error: &(dyn Error + 'static)) -> ExitCode {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    let _ = writeln!(std::io::stderr(), "gigsy: {text}");
    ExitCode::FAILURE
}
