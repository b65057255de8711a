//! Collects problems while a configuration is read, so that one does not hide the next.

use std::cell::RefCell;

use super::{Problem, Problems, table::quoted};

/// A value that could not be had; why is in the report.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reported;

/// What is wrong with a value, to be put after its name, and what to write instead.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) fix: String,
}

impl Wrong {
    pub(super) fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into() }
    }
}

/// The problems found so far. Shared by all tables of a file, hence the cell.
pub(super) struct Report {
    newlines: Vec<usize>,
    found: RefCell<Vec<(Option<usize>, Problem)>>,
}

impl Report {
    pub(super) fn new(text: &str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at);
        Self { newlines: newlines.collect(), found: RefCell::default() }
    }

    /// The line, counted from 1, of a byte offset.
    pub(super) fn line(&self, at: usize) -> usize {
        1 + self.newlines.partition_point(|&newline| newline < at)
    }

    pub(super) fn add(&self, at: Option<usize>, message: String, fix: impl Into<String>) -> Reported {
        let problem = Problem { line: at.map(|at| self.line(at)), message, fix: fix.into() };
        self.found.borrow_mut().push((at, problem));
        Reported
    }

    /// What the TOML parser says: the first of a line, because the others follow from it.
    pub(super) fn syntax(&self, text: &str, error: &toml::de::Error) {
        let at = error.span().map(|span| span.start);
        let line = at.map(|at| self.line(at));
        if !self.found.borrow().iter().any(|(_, known)| known.line == line) {
            let said = error.message().lines().collect::<Vec<_>>().join(", ");
            let near = error.span().and_then(|span| text.get(span)).filter(|near| !near.is_empty());
            let near = near.map(|near| format!(" at {}", quoted(near))).unwrap_or_default();
            self.add(at, format!("TOML syntax{near}: {said}"), "see https://toml.io for how it is written");
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    pub(super) fn into_problems(self) -> Problems {
        let mut found = self.found.into_inner();
        found.sort_by_key(|(at, _)| *at);
        Problems(found.into_iter().map(|(_, problem)| problem).collect())
    }
}
