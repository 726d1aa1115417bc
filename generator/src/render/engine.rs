//! The template engine: embedded templates, undefined values refused, escaping chosen by the target's folder.

use include_dir::{Dir, include_dir};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value};
use serde::Serialize;

use super::escape;
use crate::GenerateError;

static TEMPLATES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../templates");

/// Renders the embedded templates.
pub(crate) struct Engine {
    environment: Environment<'static>,
}

impl Engine {
    /// Compiles every template.
    pub(crate) fn new() -> Result<Self, GenerateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut syntax = SyntaxConfig::builder();
        syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
        environment
            .set_syntax(syntax.build().map_err(|source| GenerateError::Template { path: String::new(), source })?);
        environment.set_formatter(format);
        environment.add_filter("literal", |text: String| Value::from_safe_string(escape::sql_literal(&text)));
        environment.add_filter("quoted_literal", |text: String| {
            Value::from_safe_string(escape::sql_literal(&escape::sql_identifier(&text)))
        });
        let mut folders = vec![&TEMPLATES];
        while let Some(folder) = folders.pop() {
            folders.extend(folder.dirs());
            for file in folder.files() {
                let (Some(path), Some(text)) = (file.path().to_str(), file.contents_utf8()) else { continue };
                if let Some(output) = path.strip_suffix(".j2") {
                    environment
                        .add_template(output, text)
                        .map_err(|source| GenerateError::Template { path: output.to_owned(), source })?;
                }
            }
        }
        Ok(Self { environment })
    }

    /// The text of one template, named by its output path.
    pub(crate) fn render(&self, path: &str, content: &Content) -> Result<String, GenerateError> {
        let failed = |source: Error| match unwritable(&source) {
            Some((name, line, text)) => GenerateError::Unwritable { path: name, line, text },
            None => GenerateError::Template { path: path.to_owned(), source },
        };
        let template = self.environment.get_template(path).map_err(failed)?;
        template.render(content.0.clone()).map_err(failed)
    }
}

/// What templates place: made once for all templates that share it, for those of a large system are large.
pub(crate) struct Content(Value);

impl Content {
    pub(crate) fn of(content: &impl Serialize) -> Self {
        Self(Value::from(Serde(content)))
    }
}

/// Writes one `{{ value }}`: numbers as they are, text by the rule of the template's folder, anything else refused.
fn format(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    match (value.kind(), value.as_str()) {
        (ValueKind::Number | ValueKind::Bool, _) => out.write_str(&value.to_string()),
        (ValueKind::String, Some(text)) if value.is_safe() => out.write_str(text),
        (ValueKind::String, Some(text)) => {
            let rule = escape::rule(state.name());
            let written = rule(text).ok_or_else(|| {
                let message = format!("{text:?} cannot be written in {}", state.name());
                Error::new(ErrorKind::InvalidOperation, message).with_source(Unwritable(text.to_owned()))
            })?;
            out.write_str(&written)
        }
        (kind, _) => {
            return Err(Error::new(ErrorKind::InvalidOperation, format!("a value of kind {kind} has no text")));
        }
    }
    .map_err(Error::from)
}

/// A text for which its target's language has no form.
#[derive(Debug, thiserror::Error)]
#[error("there is no form for {0:?}")]
struct Unwritable(String);

/// Template, line and text, where that is what went wrong.
fn unwritable(error: &Error) -> Option<(String, usize, String)> {
    let text = std::error::Error::source(error)?.downcast_ref::<Unwritable>()?;
    Some((error.name()?.to_owned(), error.line()?, text.0.clone()))
}
