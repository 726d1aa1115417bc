//! What every target holds of a loaded spec: places lie in their files and on characters, both renderings work, and a topology
//! is given exactly when there is no error.

use archgen_spec::Loaded;
use archgen_spec::diagnostic::{Severity, human, json};
use archgen_spec::source::Span;

/// Panics where a promise of the loader is broken.
pub fn hold(loaded: &Loaded) {
    let errors = loaded.diagnostics.iter().any(|d| d.severity == Severity::Error);
    assert_eq!(loaded.topology.is_none(), errors);
    let sound = |span: Span| {
        let text = loaded.sources.text(span.file);
        assert!(text.get(span.start..span.end).is_some(), "{span:?} in {} bytes", text.len());
    };
    for diagnostic in &loaded.diagnostics {
        sound(diagnostic.primary);
        diagnostic.related.iter().for_each(|(span, _)| sound(*span));
        diagnostic.fix.iter().flat_map(|f| &f.edits).for_each(|e| sound(e.span));
    }
    human(&loaded.diagnostics, &loaded.sources, false);
    json(&loaded.diagnostics, &loaded.sources);
}
