//! What is said of the thing under the pointer: what `archgen explain` says of the key, with its value and origin here; of a name,
//! what it is and where it is declared.

use super::Project;
use crate::reference::language;
use crate::source::{FileId, Node, Span, Value};

/// What is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hover {
    /// What it is about.
    pub span: Span,
    /// Markdown.
    pub text: String,
}

impl Project {
    /// What there is to say about a place.
    pub fn hover(&self, file: FileId, offset: usize) -> Option<Hover> {
        let root = self.files.get(file.0 as usize)?.tree.as_ref()?;
        let mut path = Vec::new();
        let span = find(root, offset, &mut path)?;
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let shown = dotted(&names);
        let mut text = format!("**`{shown}`**\n\n");
        // The item of a list is told by its list.
        let key = language().at(&names).or_else(|| language().at(names.split_last()?.1));
        if let Some(key) = key {
            text.push_str(&key.markdown());
        }
        text.push_str(&self.final_values(&shown));
        if let Some(named) = self.use_at(file, offset)
            && let Some(declared) = self.definitions(file, offset).first()
            && let Some((path, whole)) = self.file(declared.file)
        {
            let line = super::Lines::new(whole).position(whole, declared.start).line + 1;
            text.push_str(&format!("\n{} `{}`, declared in {path}:{line}\n", named.name.what(), named.name.text()));
        }
        Some(Hover { span, text })
    }

    /// The final value in the base and in each environment where it is another, with its origin.
    fn final_values(&self, path: &str) -> String {
        let mut text = String::new();
        let mut said: Option<&str> = None;
        for (loaded, environment) in self.loads.iter().zip(std::iter::once("here").chain(self.environments())) {
            let Some(origin) = loaded.origins.get(path) else { continue };
            if said != Some(origin.value.as_str()) {
                // Secrets stand in the texts that were loaded as stars, and in origins not at all.
                text.push_str(&format!("- {environment}: `{}` ({})\n", origin.value, origin.place(&loaded.sources)));
            }
            said = said.or(Some(&origin.value));
        }
        text
    }
}

/// `a.b[0].c`, as `archgen explain` takes it.
fn dotted(names: &[&str]) -> String {
    let mut path = String::new();
    for name in names {
        if !path.is_empty() && !name.starts_with('[') {
            path.push('.');
        }
        path.push_str(name);
    }
    path
}

/// The innermost key or value that holds a place, and the names on the way to it. Depth is bounded by the parser's budget.
fn find(node: &Node, offset: usize, path: &mut Vec<String>) -> Option<Span> {
    let inside = |span: Span| span.start <= offset && offset <= span.end && span.end > span.start;
    match &node.value {
        Value::Mapping(entries) => {
            let entry = entries.iter().find(|e| inside(e.key.span) || inside(e.value.span))?;
            path.push(entry.key.text.clone());
            if inside(entry.key.span) {
                return Some(entry.key.span);
            }
            find(&entry.value, offset, path).or(Some(entry.key.span))
        }
        Value::Sequence(items) => {
            let (index, item) = items.iter().enumerate().find(|(_, item)| inside(item.span))?;
            path.push(format!("[{index}]"));
            find(item, offset, path).or(Some(item.span))
        }
        Value::Scalar { .. } | Value::Null | Value::Invalid => inside(node.span).then_some(node.span),
    }
}
