//! Renames: every place of a name, in the base and in all overlays.

use thiserror::Error;

use super::Project;
use super::names::Name;
use crate::ast::is_name;
use crate::diagnostic::Edit;
use crate::source::{FileId, Span};

/// Why a name cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RenameError {
    /// Nothing with a name stands there.
    #[error("nothing that has a name of its own stands here")]
    Nothing,
    /// The new name has a form that the language refuses.
    #[error("`{0}` is no name: begin with a small letter, then small letters, digits and `-`, at most 40")]
    Form(String),
    /// The new name has a form that the language refuses inside a store.
    #[error("`{0}` is no name inside a store: small letters, digits and `_`, no digit first, at most 48")]
    Inner(String),
    /// The key names the component.
    #[error("`{0}` is a word of the language, not a name that was chosen")]
    Word(String),
    /// Something else has that name.
    #[error("`{0}` exists already")]
    Taken(String),
    /// The name is a kind at the same time, so that another name would change what it is.
    #[error("`{0}` is the service's kind as well as its name: write `kind: {0}` first")]
    Kind(String),
}

/// Components that are named by the language.
const WORDS: [&str; 3] = ["gateway", "realtime", "registry"];

impl Project {
    /// What would be renamed at a place: the span of the name.
    pub fn renamed(&self, file: FileId, offset: usize) -> Option<Span> {
        self.use_at(file, offset).map(|u| u.span)
    }

    /// The edits that give what is named at a place another name.
    ///
    /// # Errors
    /// Nothing has a name there, or the new one cannot be taken.
    pub fn rename(&self, file: FileId, offset: usize, name: &str) -> Result<Vec<Edit>, RenameError> {
        let here = &self.use_at(file, offset).ok_or(RenameError::Nothing)?.name;
        if let Name::Component(old) = here
            && WORDS.contains(&old.as_str())
        {
            return Err(RenameError::Word(old.clone()));
        }
        let formed = match here {
            Name::Variable(_) | Name::Secret(_) => {
                !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
            }
            Name::Dataset(..) | Name::Column(..) => {
                let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
                let formed =
                    name.len() <= 48 && name.bytes().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit());
                if !formed || name.is_empty() {
                    return Err(RenameError::Inner(name.to_owned()));
                }
                true
            }
            _ => is_name(name),
        };
        if !formed {
            return Err(RenameError::Form(name.to_owned()));
        }
        let fresh = here.renamed(name);
        let reserved = matches!(fresh, Name::Component(_)) && WORDS.contains(&name);
        if reserved || fresh != *here && self.uses().any(|u| u.declares && u.name == fresh) {
            return Err(RenameError::Taken(name.to_owned()));
        }
        if let Name::Component(old) = here
            && self.kind_by_name(old)
        {
            return Err(RenameError::Kind(old.clone()));
        }
        let all = self.uses().filter(|u| u.name == *here);
        Ok(all.map(|u| Edit { span: u.span, replacement: name.to_owned() }).collect())
    }

    /// Whether a service says by its name alone what it is.
    fn kind_by_name(&self, name: &str) -> bool {
        let root = self.files.first().and_then(|f| f.tree.as_ref());
        let service = root.and_then(|r| r.get("services")).and_then(|s| s.get(name));
        service.is_some_and(|s| s.get("kind").is_none())
    }
}
