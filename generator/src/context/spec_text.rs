//! The spec's own text on a page, and for each value the line that says it.

use archgen_spec::{Loaded, OriginSource};
use indexmap::IndexMap;

use crate::picture::escaped;

/// Texts above this are not put on a page: nobody reads them there, and the page would be slow.
pub const SPEC_SHOWN_BYTES_MAX: usize = 1 << 20;

/// File, and line from 1.
type Place = (usize, usize);

/// The texts of a spec and its overlays.
pub(super) struct SpecText<'a> {
    loaded: &'a Loaded,
    /// Names as seen from the spec's own folder, and texts.
    files: Vec<(String, &'a str)>,
    /// Where each path of the spec, and what is below it, stands first.
    places: IndexMap<&'a str, Place>,
}

impl<'a> SpecText<'a> {
    /// `None` where it is too long.
    pub(super) fn of(loaded: &'a Loaded) -> Option<Self> {
        let ids: Vec<_> = loaded.sources.files().collect();
        let first = ids.first().map_or("", |id| loaded.sources.path(*id));
        let folder = first.rsplit_once('/').map_or("", |(folder, _)| folder);
        let name = |path: &str| path.strip_prefix(folder).unwrap_or(path).trim_start_matches('/').to_owned();
        let files: Vec<(String, &str)> =
            ids.iter().map(|id| (name(loaded.sources.path(*id)), loaded.sources.text(*id))).collect();
        if files.iter().map(|(_, text)| text.len()).sum::<usize>() > SPEC_SHOWN_BYTES_MAX {
            return None;
        }
        let mut places: IndexMap<&str, Place> = IndexMap::new();
        for (path, origin) in loaded.origins.in_written_order() {
            let OriginSource::Written(span) = &origin.source else { continue };
            let Some(file) = ids.iter().position(|id| *id == span.file) else { continue };
            let place = (file, loaded.sources.position(span.file, span.start).line);
            let ends = path.bytes().enumerate().filter(|(_, b)| b".[".contains(b)).map(|(at, _)| at);
            for end in ends.chain([path.len()]) {
                let known = places.entry(&path[..end]).or_insert(place);
                *known = place.min(*known);
            }
        }
        Some(Self { loaded, files, places })
    }

    /// The value as a link to its line; with the reason instead where it is a default.
    pub(super) fn linked(&self, value: &str, path: &str) -> String {
        let shown = escaped(value);
        if let Some((file, line)) = self.places.get(path) {
            let name = escaped(&self.files[*file].0);
            return format!("<a href=\"#{}\" title=\"{name}:{line}\">{shown}</a>", anchor(*file, *line));
        }
        match self.loaded.origins.get(path).map(|origin| &origin.source) {
            Some(OriginSource::Default(reason)) => {
                format!("<span title=\"default: {}\">{shown}</span>", escaped(reason))
            }
            _ => shown,
        }
    }

    /// The texts, each line with an anchor of its own.
    pub(super) fn html(&self) -> String {
        let mut html = String::new();
        for (file, (name, text)) in self.files.iter().enumerate() {
            html.extend(["<p>", &escaped(name), "</p>\n<pre class=\"spec\">"]);
            for (index, line) in text.lines().enumerate() {
                let line = if line.is_empty() { " ".to_owned() } else { escaped(line) };
                html.extend(["<span id=\"", &anchor(file, index + 1), "\">", &line, "</span>"]);
            }
            html.push_str("</pre>\n");
        }
        html
    }
}

fn anchor(file: usize, line: usize) -> String {
    format!("f{file}-{line}")
}
