//! Where the comments of a text stand. The tree does not hold them: they mean nothing.

use std::ops::Range;

use granit_parser::{Event, Parser};

use super::DEPTH_MAX;

/// Every comment of a text that parses, from its `#` to the end of its line, as byte ranges. `None` where the text does not parse.
pub(crate) fn comments(text: &str) -> Option<Vec<Range<usize>>> {
    let mut options = granit_parser::options! {
        flow_nesting_limit: DEPTH_MAX + 2, block_nesting_limit: DEPTH_MAX + 2, emit_anchor_events: true, emit_unresolved_aliases: true,
        max_buffered_comment_events: text.len() / 2 + 1
    };
    options.set_emit_comments(true);
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut all = Vec::new();
    while let Some(event) = parser.next_event() {
        let (event, span) = event.ok()?;
        if let Event::Comment(..) = event {
            let range = span.byte_range()?;
            let end = range.start + text.get(range.clone())?.trim_end().len();
            all.push(range.start..end);
        }
    }
    all.sort_by_key(|range| range.start);
    Some(all)
}
