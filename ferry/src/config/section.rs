//! Walking through the tables of a configuration file: every key is asked for once, and what nobody asked for is
//! reported.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::source::Source;

/// One table.
pub(super) struct Section<'a> {
    source: &'a Source<'a>,
    /// How messages name it; empty for the whole file.
    name: String,
    table: &'a DeTable<'a>,
    span: Range<usize>,
    /// The keys that exist, whether the file has them or not.
    known: Vec<&'static str>,
}

/// One value.
pub(super) struct Value<'a> {
    source: &'a Source<'a>,
    /// How messages name it: `server.workers`.
    name: String,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(super) fn root(source: &'a Source<'a>, table: &'a Spanned<DeTable<'a>>) -> Self {
        Self { source, name: String::new(), table: table.get_ref(), span: table.span(), known: Vec::new() }
    }

    /// The value of a key, if the file has it.
    pub(super) fn value(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.known.push(key);
        let value = self.table.get(key)?;
        Some(Value { source: self.source, name: self.name_of(key), value })
    }

    /// Whether the file has this key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The value of a key by its parser: none if the file does not have it, or if it was wrong.
    pub(super) fn get<T>(&mut self, key: &'static str, parse: impl FnOnce(&Value<'a>) -> Option<T>) -> Option<T> {
        parse(&self.value(key)?)
    }

    /// Puts the value of a key where it belongs, if the file has it.
    pub(super) fn set<T>(&mut self, key: &'static str, target: &mut T, parse: impl FnOnce(&Value<'a>) -> Option<T>) {
        if let Some(value) = self.get(key, parse) {
            *target = value;
        }
    }

    /// The same for a setting that may be absent.
    pub(super) fn set_some<T>(
        &mut self,
        key: &'static str,
        target: &mut Option<T>,
        parse: impl FnOnce(&Value<'a>) -> Option<T>,
    ) {
        if let Some(value) = self.get(key, parse) {
            *target = Some(value);
        }
    }

    /// As [`get`](Self::get), for a key that has to be there.
    pub(super) fn require<T>(
        &mut self,
        key: &'static str,
        meaning: &str,
        parse: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(key);
        if value.is_none() {
            self.complain(&format!("{key} is missing: {meaning}"));
        }
        parse(&value?)
    }

    /// A table in this table, read by `read`; every key that `read` does not ask for is an error.
    pub(super) fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let mut section = self.value(key)?.as_section(&format!("a table, [{}]", self.name_of(key)))?;
        let result = read(&mut section);
        section.finish();
        Some(result)
    }

    /// The tables `[[key]]` of this table, each read by `read`.
    pub(super) fn sections<T>(&mut self, key: &'static str, mut read: impl FnMut(&mut Self) -> Option<T>) -> Vec<T> {
        let expected = format!("tables, [[{}]]", self.name_of(key));
        let Some(value) = self.value(key) else { return Vec::new() };
        let items = value.items(&expected).unwrap_or_default();
        let sections = items.iter().filter_map(|item| item.as_section(&expected));
        let read_whole = |mut section: Section<'a>| {
            let result = read(&mut section);
            section.finish();
            result
        };
        sections.filter_map(read_whole).collect()
    }

    /// Refuses a key or table that a later version will offer.
    pub(super) fn refuse(&mut self, key: &'static str) {
        self.refuse_since(key, "not offered by this version of ferry");
    }

    /// Refuses a key or table, and tells why.
    pub(super) fn refuse_since(&mut self, key: &'static str, reason: &str) {
        self.known.push(key);
        if let Some((key, _)) = self.table.get_key_value(key) {
            self.source.complain(key.span().start, format!("{}: {reason}", self.name_of(key.get_ref())));
        }
    }

    /// Notes what is wrong with the table as a whole.
    pub(super) fn complain(&self, message: &str) {
        self.source.complain(self.span.start, format!("{}: {message}", self.name));
    }

    /// Notes what is wrong with a key whose value stands at a byte of the file. Returns none.
    pub(super) fn complain_at<T>(&self, at: usize, key: &str, message: &str) -> Option<T> {
        self.source.complain(at, format!("{}: {message}", self.name_of(key)));
        None
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self) {
        for key in self.table.keys().filter(|key| !self.known.contains(&key.get_ref().as_ref())) {
            let place = if self.name.is_empty() { "the file".to_owned() } else { format!("[{}]", self.name) };
            let name = self.name_of(&key.get_ref().escape_debug().to_string());
            let message = format!("{name}: unknown key; {place} can have {}", self.known.join(", "));
            self.source.complain(key.span().start, message);
        }
    }

    fn name_of(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

impl<'a> Value<'a> {
    /// The value as the parser of TOML has it.
    pub(super) fn raw(&self) -> &'a DeValue<'a> {
        self.value.get_ref()
    }

    pub(super) fn source(&self) -> &'a Source<'a> {
        self.source
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.value.span()
    }

    /// Notes what is wrong with it. Returns none, as the value of the parser that found it.
    pub(super) fn complain<T>(&self, message: &str) -> Option<T> {
        self.complain_at(self.span().start, message)
    }

    /// The same for a file that it names, and that the system does not let be read.
    pub(super) fn complain_of_file(&self, message: &str) {
        self.source.complain_of_file(self.span().start, format!("{}: {message}", self.name));
    }

    /// As [`complain`](Self::complain), for something inside a string, at a byte of its content.
    pub(super) fn complain_inside<T>(&self, byte: usize, message: &str) -> Option<T> {
        self.complain_at(self.offset_of(byte), message)
    }

    /// As [`complain`](Self::complain), at a byte of the file.
    pub(super) fn complain_at<T>(&self, at: usize, message: &str) -> Option<T> {
        self.source.complain(at, format!("{}: {message}", self.name));
        None
    }

    /// The value is of another type than it has to be.
    pub(super) fn mismatch<T>(&self, expected: &str) -> Option<T> {
        let found = match self.raw() {
            DeValue::Integer(_) => "an integer",
            DeValue::Array(_) => "an array",
            DeValue::String(_) => "a string",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Table(_) => "a table",
        };
        self.complain(&format!("expected {expected}, found {found}"))
    }

    /// The elements of an array.
    pub(super) fn items(&self, expected: &str) -> Option<Vec<Self>> {
        let Some(array) = self.raw().as_array() else { return self.mismatch(expected) };
        Some(array.iter().map(|value| Value { source: self.source, name: self.name.clone(), value }).collect())
    }

    /// Keys and values of a table whose keys are data.
    pub(super) fn entries(&self, expected: &str) -> Option<Vec<(&'a Spanned<DeString<'a>>, Self)>> {
        let Some(table) = self.raw().as_table() else { return self.mismatch(expected) };
        let named = |key: &DeString<'_>| format!("{}.\"{}\"", self.name, key.escape_debug());
        let value =
            |key: &Spanned<DeString<'_>>, value| Value { source: self.source, name: named(key.get_ref()), value };
        Some(table.iter().map(|(key, entry)| (key, value(key, entry))).collect())
    }

    fn as_section(&self, expected: &str) -> Option<Section<'a>> {
        let Some(table) = self.raw().as_table() else { return self.mismatch(expected) };
        Some(Section { source: self.source, name: self.name.clone(), table, span: self.span(), known: Vec::new() })
    }

    /// Where in the file a byte of a string's content stands: exact if the string is written without escapes and on
    /// one line, else the start of the string.
    fn offset_of(&self, byte: usize) -> usize {
        let span = self.span();
        let content = self.raw().as_str().unwrap_or_default();
        let written_as_is = self.source.slice(span.start + 1..span.end).starts_with(content);
        if written_as_is { span.start + 1 + byte } else { span.start }
    }
}
