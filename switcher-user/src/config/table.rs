//! A TOML table while it is read: names its fields in problems, and knows which keys nobody asked for.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::report::{Report, Reported, Wrong};

/// More alike than this, by Jaro and Winkler, and a key is taken for a misspelling of another.
const ALIKE: f64 = 0.8;

/// A table being read. Every key that is allowed is asked for, then `finish` reports the others.
pub(super) struct Table<'a> {
    pub(super) report: &'a Report,
    /// Where it begins; none if it is not written.
    pub(super) at: Option<usize>,
    /// What problems begin with: `service "web": `.
    subject: String,
    /// What field names begin with: `drain.`.
    path: &'static str,
    entries: Option<&'a DeTable<'a>>,
    asked: Vec<&'static str>,
}

impl<'a> Table<'a> {
    /// The whole file.
    pub(super) fn root(entries: &'a DeTable<'a>, report: &'a Report) -> Self {
        Self { report, at: None, subject: String::new(), path: "", entries: Some(entries), asked: Vec::new() }
    }

    /// Reports a problem of a field.
    pub(super) fn wrong(&self, at: Option<usize>, field: &str, wrong: Wrong) -> Reported {
        let message = format!("{}{}{field} {}", self.subject, self.path, wrong.what);
        self.report.add(at, message, wrong.fix)
    }

    /// Reports a problem of the value of a field; of the table, if the field is not written.
    pub(super) fn refuse(&self, key: &str, Wrong { what, fix }: Wrong) -> Reported {
        match self.entries.and_then(|entries| entries.get(key)) {
            Some(value) => {
                let what = format!("{} {what}", shown(value.get_ref()));
                self.wrong(Some(value.span().start), key, Wrong { what, fix })
            }
            None => self.wrong(self.at, key, Wrong { what, fix }),
        }
    }

    fn get(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.push(key);
        self.entries?.get(key)
    }

    /// A field that may be absent.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, Wrong>,
    ) -> Result<Option<Spanned<T>>, Reported> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match read(value.get_ref()) {
            Ok(read) => Ok(Some(Spanned::new(value.span(), read))),
            Err(wrong) => Err(self.refuse(key, wrong)),
        }
    }

    /// A field that has a default.
    pub(super) fn field_or<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, Wrong>,
    ) -> Result<T, Reported> {
        Ok(self.optional(key, read)?.map_or(default, Spanned::into_inner))
    }

    /// A field that must be written, for example as `example`.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, Wrong>,
    ) -> Result<Spanned<T>, Reported> {
        self.optional(key, read)?.ok_or_else(|| {
            self.wrong(self.at, key, Wrong::new("is missing", format!("write {key} = {example}")))
        })
    }

    /// A table inside that may be absent; its problems begin like those of this one.
    pub(super) fn table(
        &mut self,
        key: &'static str,
        example: &str,
        subject: String,
        path: &'static str,
    ) -> Table<'a> {
        let value = self.get(key);
        let entries = value.and_then(|value| value.get_ref().as_table());
        if value.is_some() && entries.is_none() {
            self.refuse(key, Wrong::new("is not a table", format!("write {example}")));
        }
        let at = value.map(|value| value.span().start);
        Table { report: self.report, at, subject, path, entries, asked: Vec::new() }
    }

    /// The tables of an array inside, none if it is not written. Each one's problems begin with its subject.
    pub(super) fn tables(
        &mut self,
        key: &'static str,
        header: &str,
        subject: impl Fn(&DeTable<'_>, usize) -> String,
    ) -> Result<Vec<Table<'a>>, Reported> {
        let Some(value) = self.get(key) else { return Ok(Vec::new()) };
        let wrong = || self.refuse(key, Wrong::new("is not an array of tables", format!("write {header}")));
        let array = value.get_ref().as_array().ok_or_else(wrong)?;
        let tables = array.iter().enumerate().map(|(index, element)| {
            let entries = element.get_ref().as_table()?;
            Some(Table {
                report: self.report,
                at: Some(element.span().start),
                subject: subject(entries, index),
                path: "",
                entries: Some(entries),
                asked: Vec::new(),
            })
        });
        tables.collect::<Option<_>>().ok_or_else(wrong)
    }

    /// What the problems of this table begin with.
    pub(super) fn subject(&self) -> &str {
        &self.subject
    }

    /// Where the value of a field begins, right or wrong, if it is written.
    pub(super) fn place(&self, key: &str) -> Option<usize> {
        Some(self.entries?.get(key)?.span().start)
    }

    /// Whether a field is written, right or wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.place(key).is_some()
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self) {
        for key in self.entries.into_iter().flat_map(DeTable::keys) {
            if !self.asked.contains(&key.get_ref().as_ref()) {
                let what = format!(
                    "{}key {} is unknown",
                    self.subject,
                    quoted(&format!("{}{}", self.path, key.get_ref()))
                );
                self.report.add(Some(key.span().start), what, self.suggestion(key.get_ref()));
            }
        }
    }

    fn suggestion(&self, key: &str) -> String {
        let key = key.to_lowercase();
        let alike = self.asked.iter().map(|asked| (strsim::jaro_winkler(&key, asked), asked));
        match alike.max_by(|(a, _), (b, _)| a.total_cmp(b)) {
            Some((alike, closest)) if alike > ALIKE => format!("write {}", quoted(closest)),
            _ => format!("remove it, the keys here are {}", self.asked.join(", ")),
        }
    }
}

/// A value on one short line.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) => short(&number.to_string()),
        DeValue::Float(number) => short(number.as_str()),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(value) => value.to_string(),
        DeValue::Array(array) if array.is_empty() => "[]".to_owned(),
        DeValue::Array(_) => "[...]".to_owned(),
        DeValue::Table(_) => "{...}".to_owned(),
    }
}

/// A text in quotes, on one short line.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", short(text))
}

fn short(text: &str) -> String {
    const LONGEST: usize = 120;
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

/// What the problems of a table that has a name begin with.
pub(super) fn subject(noun: &str, table: &DeTable<'_>, index: usize) -> String {
    match table.get("name").and_then(|name| name.get_ref().as_str()) {
        Some(name) => format!("{noun} {}: ", quoted(name)),
        None => format!("{noun} {}: ", index + 1),
    }
}
