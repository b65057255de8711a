//! From a TOML file to the model, with errors that name the line, the field, the value and the fix.
//!
//! A file is read in two passes over its spanned tree: every table by itself (`daemon`, `interface`,
//! `service`), then what only shows across services (`check`). Neither stops at the first problem.

mod address;
mod check;
mod daemon;
mod interface;
mod problem;
mod report;
mod ring;
mod service;
mod table;
#[cfg(test)]
mod tests;
mod value;

use std::{fs, path::Path};

use toml::de::DeTable;

pub use self::problem::{LoadError, Problem, Problems};
use self::{report::Report, table::Table};
use crate::model::Config;

/// A configuration that names every key, with what each is for.
pub const EXAMPLE: &str = include_str!("example.toml");

/// Reads a configuration.
///
/// # Errors
/// Every problem of the text, in the order of its lines.
pub fn parse(text: &str) -> Result<Config, Problems> {
    let report = Report::new(text);
    let (tree, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What follows from half a tree would blame keys that were written correctly.
        for error in &errors {
            report.syntax(text, error);
        }
        return Err(report.into_problems());
    }
    match read(tree.get_ref(), &report) {
        Ok(config) if report.is_empty() => Ok(config),
        _ => Err(report.into_problems()),
    }
}

/// Reads a configuration file.
///
/// # Errors
/// Why the file could not be read, or every problem of its text.
pub fn load(path: &Path) -> Result<Config, LoadError> {
    let bytes = fs::read(path).map_err(|error| LoadError::Read { path: path.to_owned(), error })?;
    str::from_utf8(&bytes)
        .map_err(|error| Problems::not_utf8(&bytes[..error.valid_up_to()]))
        .and_then(parse)
        .map_err(|problems| LoadError::Invalid { path: path.to_owned(), problems })
}

fn read(tree: &DeTable<'_>, report: &Report) -> Result<Config, report::Reported> {
    let mut root = Table::root(tree, report);
    let interfaces = interface::read_all(&mut root);
    let written = service::read_all(&mut root);
    let daemon = daemon::read(&mut root, &written);
    root.finish();
    check::across(&written, report);

    let services = written.into_iter().map(|written| written.service).collect::<Result<_, _>>()?;
    Ok(Config { daemon: daemon?, interfaces: interfaces?, services })
}
