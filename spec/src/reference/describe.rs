//! The words for one key: as plain text for a terminal, as Markdown for an editor and for the pages.

use std::borrow::Cow;

use super::entry::{Default, Part};
use super::language::{Key, Language};
use crate::checks::suggestion;
use crate::{Loaded, Origin};

/// Values that are listed below a section; the rest are counted.
const VALUES_SHOWN_MAX: usize = 40;

impl Key {
    /// Its facts: what each is called, and what it is, with code in back quotes.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let kind = match self.shape.forms() {
            Some(forms) => format!("{}: {forms}", self.shape.describe()),
            None => self.shape.describe(),
        };
        let mut facts = vec![("type", kind)];
        if !self.entry.unit.is_empty() {
            facts.push(("unit", self.entry.unit.to_owned()));
        }
        match self.entry.default {
            Default::Required => facts.push(("default", "none: it must be written".to_owned())),
            Default::Absent("") => {}
            Default::Absent(means) => facts.push(("default", means.to_owned())),
            Default::Value(shown, reason) => facts.push(("default", format!("`{shown}`: {reason}"))),
            Default::Derived(how) => facts.push(("default", how.to_owned())),
        }
        if !self.kinds.is_empty() {
            facts.push(("only of", self.kinds.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")));
        }
        let example = match self.name() {
            "*" => format!("`{}`", self.entry.example),
            name => format!("`{name}: {}`", self.entry.example),
        };
        facts.push(("example", example));
        let mut parts: Vec<Part> = self.entry.reaches.to_vec();
        parts.sort_unstable();
        if !parts.is_empty() {
            facts.push(("reaches", parts.iter().map(|p| p.name()).collect::<Vec<_>>().join(", ")));
        }
        facts
    }

    /// For a terminal: a paragraph, a table of facts, the reason.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n\n{}\n\n", self.entry.path, self.entry.summary);
        for (name, fact) in self.facts() {
            text.push_str(&format!("  {name:<8}  {}\n", fact.replace('`', "")));
        }
        if !self.entry.why.is_empty() {
            text.push_str(&format!("\n{}\n", self.entry.why));
        }
        text
    }

    /// For an editor and a page: the same in Markdown, without a heading.
    pub fn markdown(&self) -> String {
        let mut text = format!("{}\n\n", self.entry.summary);
        if !self.entry.why.is_empty() {
            text.push_str(&format!("{}\n\n", self.entry.why));
        }
        for (name, fact) in self.facts() {
            text.push_str(&format!("- {name}: {fact}\n"));
        }
        text
    }
}

impl Language {
    /// What is known of the place at a dotted path, with the keys below it, and, given a spec, its value and origin there.
    ///
    /// # Errors
    /// The language has no such place; the text says what there is instead.
    pub fn explain(&self, path: &str, spec: Option<&Loaded>) -> Result<String, String> {
        let path = &*self.by_index(path, spec)?;
        let names = self.split(path).filter(|names| !names.is_empty()).ok_or_else(|| self.nearest(path))?;
        // An item of a list is told as the list, with the keys of an item.
        let list = &names[..names.len() - usize::from(names.last().is_some_and(|name| name.starts_with('[')))];
        let key = self.at(&names).or_else(|| self.at(list)).ok_or_else(|| self.nearest(path))?;
        let mut text = key.text();
        let below = self.below(&names);
        if !below.is_empty() {
            text.push_str("\nBelow it:\n");
            let width = below.iter().map(|k| k.name().len()).max().unwrap_or(0);
            for key in below {
                text.push_str(&format!("  {:<width$}  {}\n", key.name(), key.entry.summary));
            }
        }
        if let Some(loaded) = spec {
            text.push_str(&match self.absent(&names, loaded) {
                Some(absent) => format!("\nHere: there is no `{absent}`\n"),
                None => here(path, loaded),
            });
        }
        Ok(text)
    }

    /// A path whose items of lists are said by their number or their `id`, as `explain` also takes them: `policies.headroom.check`.
    fn by_index<'p>(&self, path: &'p str, spec: Option<&Loaded>) -> Result<Cow<'p, str>, String> {
        if self.split(path).is_some() {
            return Ok(Cow::Borrowed(path));
        }
        let mut told = String::new();
        for part in path.split('.') {
            let list = !told.is_empty() && self.split(&format!("{told}[0]")).is_some();
            let number = Some(part).filter(|part| list && part.bytes().all(|b| b.is_ascii_digit()));
            match (list, number.map(str::to_owned)) {
                (true, Some(number)) => told.push_str(&format!("[{number}]")),
                (true, None) => told.push_str(&format!("[{}]", item(&told, part, spec)?)),
                (false, _) => told.push_str(&if told.is_empty() { part.to_owned() } else { format!(".{part}") }),
            }
        }
        Ok(Cow::Owned(told))
    }

    /// The beginning of a path that names something which a spec does not have: `services.billing`.
    fn absent(&self, names: &[&str], loaded: &Loaded) -> Option<String> {
        let chosen = (1..=names.len()).map(|end| &names[..end]);
        let chosen = chosen.filter(|names| self.pattern(names).is_some_and(|pattern| pattern.ends_with('*')));
        let mut paths = chosen.map(|names| names.join("."));
        let within = |other: &str, path: &str| {
            other.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        paths.find(|path| !loaded.origins.in_written_order().any(|(other, _)| within(other, path)))
    }

    /// What to say where a path leads nowhere.
    fn nearest(&self, path: &str) -> String {
        let mut good: Vec<&str> = Vec::new();
        let mut wrong = path;
        // The longest beginning that leads somewhere, then the first name that does not.
        for (at, _) in path.match_indices(['.', '[']).collect::<Vec<_>>().into_iter().rev() {
            if let Some(names) = self.split(&path[..at]) {
                (good, wrong) = (names, path[at..].trim_start_matches('.'));
                break;
            }
        }
        let name = wrong.split(['.', '[']).next().unwrap_or(wrong);
        let known: Vec<&str> = self.below(&good).iter().map(|k| k.name()).collect();
        let place = if good.is_empty() { "the spec".to_owned() } else { format!("`{}`", good.join(".")) };
        match known.is_empty() {
            true => format!("{place} has no keys below it"),
            false => format!("{place} has no key `{name}`; {}", suggestion::help(name, "known keys", &known)),
        }
    }
}

/// The index of the item of a list that has this `id` in a spec; the first where there is no spec to ask.
fn item(list: &str, id: &str, spec: Option<&Loaded>) -> Result<usize, String> {
    let Some(loaded) = spec else { return Ok(0) };
    let ids = (0..).map_while(|index| loaded.origins.get(&format!("{list}[{index}].id")));
    let ids: Vec<&str> = ids.map(|origin| origin.value.as_str()).collect();
    let help = || format!("`{list}` has no item `{id}`; {}", suggestion::help(id, "items", &ids));
    ids.iter().position(|other| *other == id).ok_or_else(help)
}

/// The value and its origin in a spec, or those of everything below.
fn here(path: &str, loaded: &Loaded) -> String {
    let shown = |origin: &Origin| format!("{}  ({})", origin.value, origin.place(&loaded.sources));
    if let Some(origin) = loaded.origins.get(path) {
        return format!("\nHere: {}\n", shown(origin));
    }
    let inside = |other: &str| other.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '[']));
    let below: Vec<(&str, &Origin)> = loaded.origins.iter().filter(|(other, _)| inside(other)).collect();
    if below.is_empty() {
        return "\nHere: not written\n".to_owned();
    }
    let mut text = "\nHere:\n".to_owned();
    for (other, origin) in below.iter().take(VALUES_SHOWN_MAX) {
        text.push_str(&format!("  {other}: {}\n", shown(origin)));
    }
    if below.len() > VALUES_SHOWN_MAX {
        text.push_str(&format!("  and {} more: archgen config --show-origin\n", below.len() - VALUES_SHOWN_MAX));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::language;

    #[test]
    fn a_key_is_told_whole() {
        let text = language().explain("stores.chat.tables.messages.ttl", None);
        let expected = "\
stores.*.tables.*.ttl

Cassandra: how long a row lives.

  type      a duration: 250ms, 30s, 1m30s, 12h, 30d (whole numbers of us, ms, s, m, h, d)
  default   rows live for ever
  only of   cassandra
  example   ttl: 90d
  reaches   Cassandra DDL, shard and capacity plan
";
        assert_eq!(text.as_deref(), Ok(expected));
    }

    #[test]
    fn a_section_lists_what_is_below_and_a_wrong_path_what_there_is() {
        let text = language().explain("gateway.limits", None).unwrap_or_default();
        assert!(text.contains("\nBelow it:\n  per_ip              Requests of one client address.\n"), "{text}");
        let wrong = language().explain("gateway.limits.per_iip", None).err();
        assert_eq!(
            wrong.as_deref(),
            Some(
                "`gateway.limits` has no key `per_iip`; did you mean `per_ip`? known keys: `per_ip`, `per_token`, `connections_per_ip`"
            )
        );
        let item = language().explain("policies.headroom.level", None).unwrap_or_default();
        assert!(item.starts_with("policies[].level\n"), "{item}");
        let fault = language().explain("sim.faults.3.for", None).unwrap_or_default();
        assert!(fault.starts_with("sim.faults[].for\n"), "{fault}");
        let wrong = language().explain("gatway.port", None).err().unwrap_or_default();
        assert!(wrong.starts_with("the spec has no key `gatway`; did you mean `gateway`?"), "{wrong}");
    }
}
