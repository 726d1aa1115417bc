//! The reference pages: Markdown, one page a section, one for the diagnostic codes.

use super::language::{Key, Language, language};
use crate::checks::codes;
use crate::expression::{FACTS, STEPS_MAX, Subject};

const NOTE: &str =
    "<!-- Made from spec/src/reference by `cargo test -p archgen-spec --test reference`; change it there. -->\n";

/// The pages, as (file name, text).
pub fn pages() -> Vec<(String, String)> {
    let language = language();
    let mut pages = Vec::new();
    let mut index = format!(
        "# Reference\n\n{NOTE}\nEvery key of the spec, section by section. `archgen explain PATH` says the same in a terminal.\n\n"
    );
    let mut root = format!("# The root of a spec\n\n{NOTE}\n");
    for top in language.below(&[]) {
        let name = top.name();
        let inside: Vec<&Key> = language.keys().filter(|k| first(k.entry.path) == name).collect();
        if inside.len() <= 2 {
            inside.iter().for_each(|key| root.push_str(&section(key)));
            continue;
        }
        index.push_str(&format!("- [`{name}`]({name}.md): {}\n", top.entry.summary));
        let sections: String = inside.iter().map(|key| section(key)).collect();
        pages.push((format!("{name}.md"), format!("# `{name}`\n\n{NOTE}\n{}{sections}", contents(&inside))));
    }
    index.push_str("- [the root](root.md): version, name, variables, zones, secrets, environments.\n");
    index.push_str("- [facts](facts.md): what the expressions of policies and tests may name.\n");
    index.push_str("- [diagnostics](diagnostics.md): every code, why it is checked, how to mend it.\n");
    pages.push(("root.md".to_owned(), root));
    pages.push(("README.md".to_owned(), index));
    pages.push(("facts.md".to_owned(), facts()));
    pages.push(("diagnostics.md".to_owned(), diagnostics()));
    pages.sort();
    pages
}

fn first(path: &str) -> &str {
    path.split(['.', '[']).next().unwrap_or(path)
}

fn section(key: &Key) -> String {
    format!("## `{}`\n\n{}\n", key.entry.path, key.markdown())
}

/// The keys of a page with their sentences, so that the page can be overlooked.
fn contents(keys: &[&Key]) -> String {
    let mut text = "| key | |\n|---|---|\n".to_owned();
    for key in keys {
        text.push_str(&format!("| `{}` | {} |\n", key.entry.path, key.entry.summary));
    }
    text.push('\n');
    text
}

fn diagnostics() -> String {
    let mut text = format!("# Diagnostics\n\n{NOTE}\n`archgen explain CODE` says the same in a terminal.\n\n");
    for e in codes() {
        text.push_str(&format!("## {}: {}\n\n{}\n\n{}\n\n", e.code, e.title, e.why, e.fix));
        text.push_str(&format!("Before:\n\n{}\nAfter:\n\n{}\n", fenced(e.before), fenced(e.after)));
    }
    text
}

/// How expressions are written, and every fact.
fn facts() -> String {
    let mut text =
        format!("# Facts\n\n{NOTE}\n{EXPRESSIONS}\nAn expression may take {STEPS_MAX} steps over the whole system.\n");
    for of in Subject::ALL {
        let (name, plural) = (of.name(), of.plural());
        text.push_str(&match of.many() {
            true => format!("\n## `{name}`\n\nWith `every: {name}`, one of them; `{plural}` is the list of all.\n\n"),
            false => format!("\n## `{name}`\n\nThere is one.\n\n"),
        });
        text.push_str("| fact | type | |\n|---|---|---|\n");
        for fact in FACTS.iter().filter(|f| f.of == of) {
            text.push_str(&format!("| `{name}.{}` | {} | {} |\n", fact.name, fact.kind.name(), fact.what));
        }
    }
    text
}

/// What an expression may be.
const EXPRESSIONS: &str = r#"Expressions are CEL, the Common Expression Language, as far as this page says; each means here what it means there. They are asked
of the resolved system, environment and defaults included.

```yaml
policies:
  - { id: spread, every: store, check: store.survives_zone_loss }
  - { id: headroom, every: capacity, check: capacity.used <= 0.7, level: warn }
  - id: few-logs
    check: stores.filter(s, s.kind == "kafka").size() <= 1
```

- values: `2`, `0.7`, `"text"`, `true`, `[1, 2]`
- operators, the loosest first: `? :`, `||`, `&&`, `< <= > >= == != in`, `+ -`, `* / %`, `! -`
- lists: `.all(x, …)`, `.exists(x, …)`, `.exists_one(x, …)`, `.filter(x, …)`, `.map(x, …)`, `.size()`
- text: `.startsWith(…)`, `.endsWith(…)`, `.contains(…)`, `.size()`
- numbers: `int(…)`, `double(…)`; whole numbers and others are compared freely, but reckoned with only among themselves

In YAML an expression needs quotes where it begins with `!`, `[` or a quote, where it holds `: ` or ` #`, and inside `{ … }` where it
holds a comma or a bracket.
"#;

fn fenced(code: &str) -> String {
    format!("```yaml\n{}\n```\n", code.trim_end())
}

impl Language {
    /// The page that tells of a key, below `docs/reference`.
    pub fn page(&self, key: &Key) -> String {
        let name = first(key.entry.path);
        let own = self.keys().filter(|k| first(k.entry.path) == name).count() > 2;
        if own { format!("{name}.md") } else { "root.md".to_owned() }
    }
}
