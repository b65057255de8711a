//! `[[interface]]`: where the program is attached.

use std::collections::{HashMap, hash_map::Entry};

use toml::{Spanned, de::DeValue};

use super::{
    report::{Reported, Wrong},
    table::{Table, quoted, subject},
    value,
};
use crate::model::{Interface, Mode};

pub(super) fn read_all(root: &mut Table<'_>) -> Result<Vec<Interface>, Reported> {
    const HEADER: &str = "[[interface]] with name = \"eth0\"";
    let tables = root.tables("interface", HEADER, |table, index| subject("interface", table, index))?;
    if tables.is_empty() {
        let what = if root.has("interface") { "is empty" } else { "is missing" };
        return Err(root.refuse("interface", Wrong::new(what, format!("write {HEADER}"))));
    }
    let mut lines = HashMap::new();
    let read: Vec<_> = tables.into_iter().map(|table| read(table, &mut lines)).collect();
    read.into_iter().collect()
}

fn read(mut table: Table<'_>, lines: &mut HashMap<String, usize>) -> Result<Interface, Reported> {
    let name = table.required("name", "\"eth0\"", name);
    let modes = [("native", Mode::Native), ("generic", Mode::Generic)];
    let mode = table.field_or("mode", Mode::default(), |value| value::choice(value, &modes));
    let unique = name.and_then(|name| unique(&table, name, lines));
    table.finish();
    Ok(Interface { name: unique?, mode: mode? })
}

fn unique(
    table: &Table<'_>,
    name: Spanned<String>,
    lines: &mut HashMap<String, usize>,
) -> Result<String, Reported> {
    let at = name.span().start;
    match lines.entry(name.into_inner()) {
        Entry::Vacant(entry) => {
            let name = entry.key().clone();
            entry.insert(table.report.line(at));
            Ok(name)
        }
        Entry::Occupied(entry) => {
            let what = format!("{} is also on line {}", quoted(entry.key()), entry.get());
            Err(table.wrong(Some(at), "name", Wrong::new(what, "remove one of the two")))
        }
    }
}

/// What the kernel takes for the name of an interface.
fn name(value: &DeValue<'_>) -> Result<String, Wrong> {
    let name = value::text(value, "eth0")?;
    let refused = |letter: char| letter.is_whitespace() || letter.is_control() || "/:".contains(letter);
    if (1..=15).contains(&name.len()) && !name.contains(refused) && ![".", ".."].contains(&name) {
        return Ok(name.to_owned());
    }
    Err(Wrong::new("is not the name of an interface", "write 1 to 15 bytes without '/', ':' or white space"))
}
